"""Changes of keys and models, and erasures, by the signature of somebody who is registered for that.

Operators and administrators make them: of a tenant's keys and records those of that tenant, or the platform's. What is
signed is agents.platform.warrant.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final

from agents.access.keeper import registered_people
from agents.access.signer import see_signed_for, signer_of
from agents.platform.identity import Identity
from agents.platform.vouching import Vouching
from agents.platform.warrant import Signable
from schemas.errors import ConfigurationError
from schemas.leaf import AccessChange
from schemas.tenant import PLATFORM_TENANT
from security.access.access_request import moment
from security.access.approval import ApprovalRefused, SignedAct, check_clock
from security.access.assertion import RelyingParty
from security.access.person import Person
from security.access.principal import Role
from streams.storage.database import Connection

CHANGERS: Final = frozenset({Role.OPERATOR, Role.ADMINISTRATOR})


def may_change(person: Person, tenant: str) -> bool:
    """Whether somebody may sign changes that stand in a tenant's log."""
    ours = tenant == PLATFORM_TENANT or person.tenant in (tenant, PLATFORM_TENANT)
    return person.active and person.jwk is not None and not CHANGERS.isdisjoint(person.roles) and ours


class SignedChange:
    """A `agents.platform.warrant.Warrant`: lets the change be made that somebody signed.

    Args:
        signed: By one person, as of one moment: for each tenant in whose log it is signed, the act.
        voucher: Says which people the platform registered; asked for before, since a change holds up every commit.
        party: As for `agents.access.approvals.Approvals`.
    """

    def __init__(
        self,
        signed: Mapping[str, SignedAct],
        identity: Identity,
        voucher: Vouching,
        *,
        party: RelyingParty | None = None,
    ) -> None:
        self._signed = signed
        self._identity = identity
        self._voucher = voucher
        self._party = party
        (at,) = {act.change.at for act in signed.values()}
        self.moment: dt.datetime | None = moment(at or "")

    def act(self, tenant: str) -> AccessChange | None:
        """As it was signed for this tenant's log."""
        found = self._signed.get(tenant)
        return None if found is None else found.change

    async def settle(self, connection: Connection, now: dt.datetime, change: Sequence[Signable]) -> None:
        """See that this very change was signed, just now, by somebody who may make it.

        Raises:
            BadAssertion, ApprovalRefused: It was not.
        """
        people = await registered_people(connection, self._voucher)
        for each in change:
            act = self._signed.get(each.tenant)
            if act is None:
                raise ApprovalRefused("another_request", "this was signed for other logs than those that will say it")
            check_clock(act.change, now)
            person = signer_of(act, people, self._identity.origin(each.tenant), self._party)
            if not may_change(person, each.tenant):
                raise ApprovalRefused("not_entitled", "this is done by operators and administrators there")
            other = "this was signed for another change, or something came in between"
            see_signed_for(act, each.unsigned(act.change.at or ""), other)


class Unsigned:
    """The warrant of a change that nobody signs: it is made only where there is nobody who could.

    Args:
        voucher: Tells who is registered.
    """

    moment: dt.datetime | None = None

    def __init__(self, voucher: Vouching) -> None:
        self._voucher = voucher

    def act(self, tenant: str) -> AccessChange | None:
        """There is none."""
        return None

    async def settle(self, connection: Connection, now: dt.datetime, change: Sequence[Signable]) -> None:
        """See that nobody could have signed.

        Raises:
            ConfigurationError: Somebody could.
        """
        people = await registered_people(connection, self._voucher)
        if any(may_change(person, each.tenant) for person in people.values() for each in change):
            raise ConfigurationError(
                "in production this is signed by who is registered for it: give --as, the person, and --key, their "
                "private key"
            )
