"""The platform's MAC over rows of access control: whoever adds or changes rows by SQL can't make it."""

import hmac
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from schemas.tenant import PLATFORM_TENANT
from security.access.api_key import ApiKey
from security.access.approval import SignedAct
from security.access.assertion import RelyingParty
from security.access.person import Person
from security.access.presented import Presented
from security.access.session import ConsoleSession
from security.key_provider import KeyProvider
from streams.storage.catalogue import EntryRow
from streams.storage.people import ApiKeyRow, PersonRow
from streams.storage.policies import PolicyRow
from streams.storage.sessions import SessionRow

VOUCHING_KEY: Final = "access"
"""Name of the platform's index key of these MACs."""


VouchedRow = PersonRow | ApiKeyRow | PolicyRow | EntryRow | SessionRow


Agreed = tuple[bytes, bytes]
"""Of which kind a row is, and what of it the platform vouches for."""


class Vouching(Protocol):
    """Says which rows are the platform's, and vouches for what people signed. Called in a thread, but for `is_ours`."""

    def learn(self, rows: Sequence[VouchedRow]) -> None:
        """Find out about rows, so that `is_ours` need not wait."""
        ...

    def is_ours(self, row: VouchedRow) -> bool:
        """Whether the platform made a row as it stands."""
        ...

    def first_key(self, person: Person, proof: Presented | None) -> PersonRow:
        """The row of a person who has a key from now on, and had none.

        Args:
            proof: That it is them.
        """
        ...

    def adopted_policy(self, row: PolicyRow, act: SignedAct, party: RelyingParty | None) -> bytes:
        """The MAC of a version that somebody adopts by an act."""
        ...

    def adopted_entry(self, row: EntryRow, act: SignedAct, party: RelyingParty | None) -> bytes:
        """Likewise of an entry of the catalogue."""
        ...


class Voucher:
    """Makes and checks them, with the key.

    Args:
        keyring: Gives the key; asked once, which may take a server's answer.
    """

    def __init__(self, keyring: KeyProvider) -> None:
        self._key = keyring.index_key(PLATFORM_TENANT, VOUCHING_KEY)

    def learn(self, rows: Sequence[VouchedRow]) -> None:
        """The key tells when it is asked."""

    def first_key(self, person: Person, proof: Presented | None) -> PersonRow:
        """As any row of a person; that it is them is the caller's to see."""
        return self.person(person)

    def adopted_policy(self, row: PolicyRow, act: SignedAct, party: RelyingParty | None) -> bytes:
        """The caller has checked the act."""
        return self.policy(row)

    def adopted_entry(self, row: EntryRow, act: SignedAct, party: RelyingParty | None) -> bytes:
        """Likewise."""
        return self.entry(row)

    def person(self, person: Person) -> PersonRow:
        """The row of a person."""
        return PersonRow(person, self.mac(agreed_of(PersonRow(person, b""))))

    def api_key(self, key: ApiKey) -> ApiKeyRow:
        """The row of an API key. Its revocation is not vouched for: a row that is revoked by SQL opens nothing."""
        return ApiKeyRow(key, self.mac(agreed_of(ApiKeyRow(key, b""))))

    def session(self, session: ConsoleSession) -> SessionRow:
        """The row of a login to the console. Its end is not vouched for, like an API key's revocation."""
        return SessionRow(session, self.mac(agreed_of(SessionRow(session, b""))))

    def policy(self, row: PolicyRow) -> bytes:
        """The MAC of an adopted version."""
        return self.mac(agreed_of(row))

    def entry(self, row: EntryRow) -> bytes:
        """The MAC of an adopted version of an entry of the catalogue."""
        return self.mac(agreed_of(row))

    def is_ours(self, row: VouchedRow) -> bool:
        """Whether the platform made a row as it stands."""
        return self.fits(agreed_of(row), row.mac or b"")

    def fits(self, agreed: Agreed, mac: bytes) -> bool:
        """Whether a MAC is of what was agreed."""
        return hmac.compare_digest(self.mac(agreed), mac)

    def mac(self, agreed: Agreed) -> bytes:
        """That of what was agreed."""
        kind, text = agreed
        return hmac.digest(self._key, kind + b"\0" + text, "sha256")


def agreed_of(row: VouchedRow) -> Agreed:
    """What a row's MAC is of."""
    match row:
        case PersonRow():
            return b"person", row.person.agreed()
        case ApiKeyRow():
            return b"api-key", msgspec.json.encode(_of_key(row.key))
        case PolicyRow():
            members = [row.version, row.based_on, row.text, row.digest, row.proposer, row.adopter]
            return b"policy", msgspec.json.encode(members)
        case EntryRow():
            named = [row.tenant, row.record_type, row.version, row.based_on, row.text, row.digest]
            return b"catalogue", msgspec.json.encode([*named, row.proposer, row.adopter])
        case SessionRow():
            return b"console-session", msgspec.json.encode(_of_session(row.session))


def _of_key(key: ApiKey) -> list[object]:
    return [
        key.key_id,
        key.digest,
        key.person,
        key.tier,
        sorted(key.actions),
        None if key.projects is None else sorted(key.projects),
        key.created.timestamp().hex(),
        key.not_after.timestamp().hex(),
    ]


def _of_session(session: ConsoleSession) -> list[object]:
    return [
        session.digest,
        session.key_id,
        session.issuer,
        session.subject,
        session.certificate,
        session.created.timestamp().hex(),
        session.ends.timestamp().hex(),
    ]
