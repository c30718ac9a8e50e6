"""Requests for access, and the steps over them: each is checked, stored and said in the log in one transaction."""

import asyncio
import datetime as dt
from types import MappingProxyType
from typing import Final
from uuid import UUID

import msgspec

from agents.access.keeper import KeptRequest, kept_request, registered_people
from agents.platform.identity import Identity
from agents.platform.signatory import Act, Signatory
from schemas.errors import ConfigurationError
from security.access.access_request import AccessRequest
from security.access.approval import SignedAct, Standing, advance, check_clock
from security.access.assertion import RelyingParty
from security.access.person import Person
from streams.storage import access_requests
from streams.storage.access_requests import ActRow
from streams.storage.access_revision import changing_access
from streams.storage.database import Database

_KINDS: Final = MappingProxyType(
    {"request": "request", "approve": "approve", "delegate": "approve", "refuse": "refuse", "revoke": "revoke"}
)


class Approvals:
    """Takes in what people signed.

    Args:
        party: Whose console people's authenticators sign for; None where they sign with key files alone.
    """

    def __init__(self, database: Database, identity: Identity, *, party: RelyingParty | None = None) -> None:
        self._database = database
        self._identity = identity
        self._party = party

    async def ask(self, request: AccessRequest, act: SignedAct) -> Standing:
        """Make a request.

        Raises:
            ConfigurationError: It lacks something, or one of its id is there.
            BadAssertion, ApprovalRefused: It is not signed by who asks, or may not be made.
        """
        request.check()
        name, tenant = _request_id(request.id), request.provider[0]
        voucher = await asyncio.to_thread(self._identity.voucher)
        signatory = await self._signatory(act, tenant)
        async with signatory.acting() as work, changing_access(work.connection):
            if await access_requests.list_requests(work.connection, name):
                raise ConfigurationError("there is a request of that id; make a new one")
            known = await registered_people(work.connection, voucher)
            standing = self._advance(Standing(request), act, known, work.moment)
            await access_requests.insert_request(work.connection, name, tenant, request.encode())
            await self._keep(work, name, tenant, 0, act)
        return standing

    async def act(self, name: UUID, act: SignedAct) -> Standing:
        """Approve, refuse, delegate or revoke.

        Raises:
            ConfigurationError: There is no such request, or its row is not one.
            BadAssertion, ApprovalRefused: It is not signed by its person, or may not be done.
        """
        voucher = await asyncio.to_thread(self._identity.voucher)
        tenant = (await self._stored(name)).tenant
        signatory = await self._signatory(act, tenant)
        async with signatory.acting() as work, changing_access(work.connection):
            (row,) = await access_requests.list_requests(work.connection, name)
            known = await registered_people(work.connection, voucher)
            before = kept_request(row, self._identity, known).standing
            standing = self._advance(before, act, known, work.moment)
            await self._keep(work, name, tenant, len(row.acts), act)
        return standing

    async def find(self, name: UUID) -> KeptRequest:
        """A request as it stands.

        Raises:
            ConfigurationError: There is none.
            BadAssertion, ApprovalRefused: What is stored of it is not what people signed.
        """
        voucher = await asyncio.to_thread(self._identity.voucher)
        row = await self._stored(name)
        async with self._database.session() as connection:
            return kept_request(row, self._identity, await registered_people(connection, voucher))

    async def _stored(self, name: UUID) -> access_requests.RequestRow:
        async with self._database.session() as connection:
            found = await access_requests.list_requests(connection, name)
        if not found:
            raise ConfigurationError(f"there is no request {name}; `sealstream access requests` lists them")
        return found[0]

    def _advance(self, before: Standing, act: SignedAct, known: dict[str, Person], now: dt.datetime) -> Standing:
        check_clock(act.change, now)
        origin = self._identity.origin(before.request.provider[0])
        return advance(before, origin, act, known, self._party)

    async def _keep(self, work: Act, name: UUID, tenant: str, n: int, act: SignedAct) -> None:
        body = msgspec.json.encode(act.change, order="deterministic")
        await access_requests.append_act(work.connection, name, n, ActRow(act.person, body))
        await work.say(tenant, _KINDS[act.change.change], access=act.change)

    async def _signatory(self, act: SignedAct, tenant: str) -> Signatory:
        signatory = Signatory(self._database, self._identity, actor=act.person)
        await signatory.prepare({tenant})
        return signatory


def _request_id(text: str) -> UUID:
    try:
        found = UUID(text)
    except ValueError:
        raise ConfigurationError("a request's id is a UUID") from None
    if str(found) != text:
        raise ConfigurationError("a request's id is a UUID, in its usual form")
    return found
