"""Changing the policies: one administrator proposes, one of another unit adopts; both sign, and the log says so.

What is proposed fits the schema, or it is not stored. What is adopted is the text that the second person signed for, on
top of the version that they compared it with.
"""

import asyncio
from dataclasses import replace

from agents.access.keeper import registered_people
from agents.access.signer import acting_as_signer, see_another_unit, see_signed_for, signer_of
from agents.platform.identity import Identity
from agents.platform.vouching import Vouching
from schemas.errors import ConfigurationError
from schemas.leaf import AccessChange
from schemas.tenant import PLATFORM_TENANT
from security.access.approval import ApprovalRefused, SignedAct, check_clock
from security.access.assertion import RelyingParty
from security.access.person import Person
from security.access.policy_set import PolicySet
from security.access.principal import Role
from streams.storage import policies
from streams.storage.access_revision import changing_access
from streams.storage.database import Connection, Database
from streams.storage.policies import PolicyRow


def policy_act(change: str, version: int, text: str, at: str) -> AccessChange:
    """What is signed for a version: `propose` or `adopt`.

    Raises:
        InvalidPolicies: The text is no policy set.
    """
    return AccessChange(change=change, version=version, digest=PolicySet.parse(text).digest, at=at)


class PolicyKeeper:
    """Takes in proposals and adoptions.

    Args:
        party: As for `agents.access.approvals.Approvals`.
    """

    def __init__(self, database: Database, identity: Identity, *, party: RelyingParty | None = None) -> None:
        self._database = database
        self._identity = identity
        self._party = party

    async def propose(self, text: str, act: SignedAct) -> PolicyRow:
        """Store a version that is not in force.

        Raises:
            InvalidPolicies: It is no policy set.
            BadAssertion, ApprovalRefused: Its proposer did not sign it, or may not propose.
            ConfigurationError: Another version came in between.
        """
        found = PolicySet.parse(text)
        signatory, voucher = await acting_as_signer(self._database, self._identity, act, PLATFORM_TENANT)
        async with signatory.acting() as work, changing_access(work.connection):
            check_clock(act.change, work.moment)
            self._signer(act, await registered_people(work.connection, voucher), "propose", found.digest)
            row = PolicyRow(
                version=await self._next(work.connection),
                based_on=await _in_force(work.connection),
                text=text,
                digest=found.digest,
                proposer=act.person,
            )
            if act.change.version != row.version:
                raise ConfigurationError(f"the next version is {row.version}; look at what came in between")
            await policies.insert_policy(work.connection, row)
            await work.say(PLATFORM_TENANT, "policy", access=act.change)
        return row

    async def adopt(self, act: SignedAct) -> PolicyRow:
        """Put a proposed version in force.

        Raises:
            InvalidPolicies: It is no policy set any more.
            BadAssertion, ApprovalRefused: Its approver did not sign it, or may not approve it.
            ConfigurationError: There is no such proposal, or it was made for another version than is in force.
        """
        signatory, voucher = await acting_as_signer(self._database, self._identity, act, PLATFORM_TENANT)
        async with signatory.acting() as work, changing_access(work.connection):
            check_clock(act.change, work.moment)
            row = await policies.find_policy(work.connection, version=act.change.version)
            known = await registered_people(work.connection, voucher)
            row = self.adopted(row, await _in_force(work.connection), act, known)
            mac = await asyncio.to_thread(voucher.adopted_policy, row, act, self._party)
            row = replace(row, mac=mac)
            await policies.adopt_policy(work.connection, row)
            await work.say(PLATFORM_TENANT, "policy", access=act.change)
        return row

    async def adoptable(self, act: SignedAct, voucher: Vouching) -> PolicyRow:
        """The proposal that an act adopts, as it would be stored but for its MAC; raises as `adopt`."""
        async with self._database.session() as connection:
            row = await policies.find_policy(connection, version=act.change.version)
            known = await registered_people(connection, voucher)
            check_clock(act.change, await connection.fetchval("SELECT clock_timestamp()"))
            return self.adopted(row, await _in_force(connection), act, known)

    def adopted(self, row: PolicyRow, in_force: int, act: SignedAct, known: dict[str, Person]) -> PolicyRow:
        """A proposal that somebody adopts; raises as `adopt`."""
        approver = self._signer(act, known, "adopt", PolicySet.parse(row.text).digest)
        if row.adopter is not None or row.based_on != in_force:
            raise ConfigurationError("that version was made for other policies than are in force; propose it anew")
        other = "policies are adopted by an administrator of another unit"
        see_another_unit(known.get(row.proposer), approver, other)
        return replace(row, adopter=approver.person)

    async def next_version(self) -> int:
        """The number of the next proposal."""
        async with self._database.session() as connection:
            return await self._next(connection)

    async def _next(self, connection: Connection) -> int:
        listed = await policies.list_policies(connection)
        return listed[-1].version + 1 if listed else 1

    def _signer(self, act: SignedAct, known: dict[str, Person], change: str, digest: str) -> Person:
        person = signer_of(act, known, self._identity.origin(PLATFORM_TENANT), self._party)
        if Role.ADMINISTRATOR not in person.roles:
            raise ApprovalRefused("not_entitled", "policies are changed by administrators, with keys of their own")
        see_signed_for(act, AccessChange(change=change, digest=digest), "this was signed for other policies")
        return person


async def _in_force(connection: Connection) -> int:
    row = await policies.policy_in_force(connection)
    return 0 if row is None else row.version
