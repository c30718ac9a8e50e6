"""Changes of producers' keys and of models, by the signature of somebody who is registered for that.

Operators and administrators make them: of a tenant's keys those of that tenant, or the platform's. What is signed is
agents.platform.warrant.
"""

import datetime as dt
from typing import Final

from agents.access.keeper import registered_people
from agents.platform.identity import Identity
from agents.platform.vouching import Vouching
from agents.platform.warrant import CHANGE_OF_KIND, change_digest
from schemas.errors import ConfigurationError
from schemas.leaf import AccessChange
from schemas.tenant import PLATFORM_TENANT
from security.access.access_request import moment
from security.access.approval import ApprovalRefused, SignedAct, check_clock
from security.access.assertion import RelyingParty, verify_assertion
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
        voucher: Says which people the platform registered; asked for before, since a change holds up every commit.
        party: As for `agents.access.approvals.Approvals`.
    """

    def __init__(
        self, signed: SignedAct, identity: Identity, voucher: Vouching, *, party: RelyingParty | None = None
    ) -> None:
        self._signed = signed
        self._identity = identity
        self._voucher = voucher
        self._party = party
        self.act: AccessChange | None = signed.change
        self.moment: dt.datetime | None = moment(signed.change.at or "")

    async def settle(self, connection: Connection, now: dt.datetime, kind: str, tenant: str, text: str) -> None:
        """See that this very change was signed, just now, by somebody who may make it.

        Raises:
            BadAssertion, ApprovalRefused: It was not.
        """
        change = self._signed.change
        check_clock(change, now)
        person = (await registered_people(connection, self._voucher)).get(self._signed.person)
        if person is None or person.jwk is None or not person.active:
            raise ApprovalRefused("unknown_person", "nobody is registered whose key could have signed this")
        verify_assertion(self._identity.origin(tenant), change, person.jwk, self._party)
        if not may_change(person, tenant):
            raise ApprovalRefused("not_entitled", "keys and models are changed by operators and administrators there")
        if (change.change, change.digest) != (CHANGE_OF_KIND[kind], change_digest(text)):
            raise ApprovalRefused("another_request", "this was signed for another change, or something came in between")


class Unsigned:
    """The warrant of a change that nobody signs: it is made only where there is nobody who could.

    Args:
        voucher: Tells who is registered.
    """

    act: AccessChange | None = None
    moment: dt.datetime | None = None

    def __init__(self, voucher: Vouching) -> None:
        self._voucher = voucher

    async def settle(self, connection: Connection, now: dt.datetime, kind: str, tenant: str, text: str) -> None:
        """See that nobody could have signed.

        Raises:
            ConfigurationError: Somebody could.
        """
        people = await registered_people(connection, self._voucher)
        if any(may_change(person, tenant) for person in people.values()):
            raise ConfigurationError(
                "in production this is signed by who is registered for it: give --as, the person, and --key, their "
                "private key"
            )
