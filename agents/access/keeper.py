"""What holds now: people, the policies in force, requests and what became of them. Asked before every look.

One statement says whether anything changed; then all of it is read anew. So a revocation holds from the next look on,
in every process. What can't be read or is not ours denies: there is no decision without people and policies.
"""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg
import msgspec
import structlog

from agents.access.shared_reading import SharedReading
from agents.platform.identity import Identity
from agents.platform.vouching import Vouching
from schemas.errors import ConfigurationError, SealstreamError, StorageError, Unavailable
from schemas.leaf import AccessChange
from security.access.access_request import AccessRequest
from security.access.approval import ApprovalRefused, Grant, RequestState, SignedAct, Standing, follow
from security.access.assertion import BadAssertion
from security.access.decision import Decider
from security.access.person import Person
from security.access.policy_set import PolicySet, default_policies
from streams.storage import access_requests, people, policies
from streams.storage.access_requests import RequestRow
from streams.storage.access_revision import access_revision
from streams.storage.database import Connection, Database
from streams.storage.policies import PolicyRow

log = structlog.get_logger(__name__)


class AccessUnavailable(Unavailable):
    """Who may see what can't be found out now, so nobody sees anything."""


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """A request, how it stands, and how many records were read by it."""

    standing: Standing
    used: int

    @property
    def request(self) -> AccessRequest:
        """What was asked for."""
        return self.standing.request


@dataclass(frozen=True, slots=True)
class Access:
    """A snapshot.

    Attributes:
        people: By id.
        subjects: Issuer and subject to the id of a person.
        version: Of the policies; 0 is what the program ships.
    """

    revision: int
    people: Mapping[str, Person]
    subjects: Mapping[tuple[str, str], str]
    version: int
    decider: Decider
    requests: Sequence[KeptRequest]

    def grants(self, now: dt.datetime, person: str | None = None) -> list[Grant]:
        """What is granted now, to one person or to all."""
        return [
            Grant(each.request, each.request.quota - each.used)
            for each in self.requests
            if person in (None, each.request.requester) and each.standing.state(now) is RequestState.GRANTED
        ]


class AccessKeeper:
    """Gives the snapshot that holds.

    Args:
        identity: Its keyring says which rows are ours.
    """

    def __init__(self, database: Database, identity: Identity) -> None:
        self._database = database
        self._identity = identity
        self._voucher: Vouching | None = None
        self._held: Access | None = None
        self._reading = SharedReading(self._now)

    async def current(self) -> Access:
        """What holds now; all who ask at once are told by one reading, which begins after they asked.

        Raises:
            AccessUnavailable: It can't be read, or the policies in force are not what the platform adopted.
        """
        return await self._reading.get()

    async def _now(self) -> Access:
        try:
            async with self._database.session(clean=True) as connection:
                revision = await access_revision(connection)
                if self._held is None or self._held.revision != revision:
                    self._held = None
                    self._held = await self._read(connection, revision)
                return self._held
        except (StorageError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
            raise AccessUnavailable("people and policies can't be read now; nothing is shown") from exc

    async def _read(self, connection: Connection, revision: int) -> Access:
        voucher = await self._vouching()
        known = await registered_people(connection, voucher)
        row = await policies.policy_in_force(connection)
        await asyncio.to_thread(voucher.learn, [row] if row is not None else [])
        try:
            found = in_force(row, voucher)
        except SealstreamError as exc:
            raise AccessUnavailable(f"the policies in force can't be trusted, so nothing is shown: {exc}") from exc
        kept = []
        for stored in await access_requests.list_requests(connection):
            try:
                kept.append(kept_request(stored, self._identity, known))
            except (BadAssertion, ApprovalRefused, ConfigurationError) as exc:
                # Whatever it would have opened stays closed.
                log.warning("access.request_void", request=str(stored.request_id), error=str(exc))
        return Access(
            revision,
            known,
            {(each.issuer, each.subject): each.person for each in known.values() if each.issuer and each.subject},
            0 if row is None else row.version,
            Decider(found),
            kept,
        )

    async def _vouching(self) -> Vouching:
        if self._voucher is None:
            self._voucher = await asyncio.to_thread(self._identity.voucher)
        return self._voucher


async def registered_people(connection: Connection, voucher: Vouching) -> dict[str, Person]:
    """Everybody whose record the platform made as it stands."""
    rows, faulty = await people.list_people(connection)
    await asyncio.to_thread(voucher.learn, rows)
    faulty += [row.person.person for row in rows if not voucher.is_ours(row)]
    for name in faulty:
        log.warning("access.person_void", person=name)
    return {row.person.person: row.person for row in rows if row.person.person not in faulty}


def in_force(row: PolicyRow | None, voucher: Vouching) -> PolicySet:
    """The policies that hold.

    Raises:
        ConfigurationError: They are not what was adopted, or this program's schema does not fit them.
    """
    if row is None:
        return PolicySet.parse(default_policies())
    found = PolicySet.parse(row.text)
    if not voucher.is_ours(row) or found.digest != row.digest:
        raise ConfigurationError(f"version {row.version} is not what was adopted; run `sealstream audit verify`")
    return found


def kept_request(row: RequestRow, identity: Identity, known: Mapping[str, Person]) -> KeptRequest:
    """How a stored request stands.

    Raises:
        BadAssertion, ApprovalRefused: An act over it is not signed by its person, or may not have been done.
        ConfigurationError: It is no request, or stands in another log than its provider's.
    """
    try:
        request = msgspec.json.decode(row.body, type=AccessRequest)
        acts = [SignedAct(each.person, msgspec.json.decode(each.act, type=AccessChange)) for each in row.acts]
    except msgspec.MsgspecError as exc:
        raise ConfigurationError("what is stored is no request for access") from exc
    if request.id != str(row.request_id) or request.provider[0] != row.tenant:
        raise ConfigurationError("what is stored is another request for access")
    return KeptRequest(follow(request, identity.origin(row.tenant), acts, known), row.used)
