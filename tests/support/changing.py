"""Signing a change for tests: what it comes to is found out, signed, and made by that signature, or by a forged one."""

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from agents.access.warranting import SignedChange
from agents.platform.identity import Identity
from agents.platform.warrant import Signable, Trial, Undone, Warrant
from schemas.leaf import AccessChange
from security.access.approval import SignedAct
from security.access.assertion import signed
from security.access.person import Person
from streams.storage.database import Connection
from tests.support.approving import key_of, rfc3339
from tests.support.installation import LOG_ORIGIN

Work = Callable[[Warrant], Awaitable[Any]]
Acts = Mapping[str, SignedAct]


async def tried(work: Work, at: str | None = None) -> Trial:
    """A change that is found out and not made, as of now by default."""
    trial = Trial(at or rfc3339(dt.datetime.now(dt.UTC)))
    with suppress(Undone):
        await work(trial)
    return trial


async def acts_by(who: Person, work: Work, at: str | None = None, *, log: str | None = None) -> Acts:
    """What somebody signs, having seen what a change comes to; by the tenant whose log has it.

    Args:
        log: Signed for this tenant's log instead.
    """
    trial = await tried(work, at)
    return {
        each.tenant: SignedAct(
            who.person, signed(f"{LOG_ORIGIN}/{log or each.tenant}", each.unsigned(trial.at), key_of(who.person))
        )
        for each in trial.change
    }


def warranted(acts: Acts, identity: Identity) -> SignedChange:
    """The warrant of who signed."""
    return SignedChange(acts, identity, identity.voucher())


class Forged:
    """A warrant of somebody who has the platform's keys and lets everything through, under a signature of old."""

    def __init__(self, act: AccessChange | None) -> None:
        self._act = act
        self.moment: dt.datetime | None = None

    def act(self, tenant: str) -> AccessChange | None:
        """The same one everywhere."""
        return self._act

    async def settle(self, connection: Connection, now: dt.datetime, change: Sequence[Signable]) -> None:
        """Whatever it is."""
