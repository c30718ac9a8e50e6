"""Who asks a key release: whoever's credential came along, as this process sees for itself."""

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from agents.release.refusal import Refusal, ReleaseRefused
from security.access.presented import Presented
from security.access.principal import Action, NotAuthenticated, Principal, Role
from streams.storage.database import Database
from streams.storage.projects import find_project

Identify = Callable[[Presented, dt.datetime], Awaitable[Principal]]


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, as this process saw for itself.

    Attributes:
        within: Tenants and purposes that the credential is bound to; None for all that its person may read.
    """

    who: Principal
    within: frozenset[tuple[str, str]] | None


class Askers:
    """Sees who asks.

    Args:
        identify: Says whose a credential is; see `Authenticator.principal`.
    """

    def __init__(self, database: Database, identify: Identify) -> None:
        self._database = database
        self._identify = identify

    async def identified(self, proof: Presented | None, now: dt.datetime) -> Principal:
        """Who asks: whoever's credential came along, as it is good here and now.

        Raises:
            ReleaseRefused: Nobody we know.
        """
        try:
            if proof is not None:
                return await self._identify(proof, now)
        except NotAuthenticated as exc:
            raise ReleaseRefused(Refusal.NOT_AUTHENTICATED) from exc
        raise ReleaseRefused(Refusal.NOT_AUTHENTICATED)

    async def permitted(self, proof: Presented | None, now: dt.datetime, action: Action, *roles: Role) -> Principal:
        """Somebody with one of these roles, through a credential that is good for an action outside of any project.

        Raises:
            ReleaseRefused: They are not.
        """
        who = await self.identified(proof, now)
        if not (who.may_use(action) and who.roles & set(roles)):
            raise ReleaseRefused(Refusal.NOT_THEIRS)
        return who

    async def asking(self, proof: Presented | None, now: dt.datetime) -> Asking:
        """Who looks, and at what their credential lets them look at all; raises as `identified`."""
        who = await self.identified(proof, now)
        if who.projects is None:
            return Asking(who, None)
        async with self._database.session(clean=True) as connection:
            found = [await find_project(connection, each) for each in sorted(who.projects)]
        return Asking(who, frozenset([(each.tenant, each.purpose) for each in found if each is not None]))
