"""The keys of a releasing process: read anew when the registry changes, and given up when their time is over.

Nothing here decides what they may open.
"""

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Final, NoReturn

import asyncpg
import structlog

from agents.access.choosing import Chooser
from agents.access.shared_reading import SharedReading
from agents.opening.handing import Handing
from agents.platform.identity import Identity
from agents.platform.key_lease import KeyLease
from agents.platform.knowledge import Knowledge, load_knowledge
from agents.release.opening import OwnRelease
from schemas.errors import SealstreamError
from security.key_scopes import KeyScopes
from security.tier_keys import TierKeysLapsed
from streams.storage.database import Database
from streams.storage.registry import registry_revision

LOOK_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 2.0
"""From one asking of a provider that did not answer to the next."""


class KeysWatch:
    """Is told how the keys of a releasing process are; by default for nobody."""

    def asked_provider(self, seconds: float, *, good: bool) -> None:
        """The registry was read anew and its keys were opened by the provider, or not."""

    def serving(self, keys: int, left: float) -> None:
        """So many keys serve, for so many seconds without the provider."""

    def waiting(self, why: str, keys: int, left: float) -> None:
        """Nothing can be opened now, or it can't be seen that it may."""


class OpenKeys:
    """One snapshot of what is known, with its keys, and what works with it."""

    def __init__(self, database: Database, identity: Identity, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self.release = OwnRelease(database, identity, knowledge)
        self.chooser = Chooser(identity, knowledge)
        self.handing = Handing(self.chooser.facts, knowledge.catalogue, knowledge.tier_keys)
        self.logs = {owner.log.log_id: owner.log for owner in knowledge.owners.values()}

    def forget(self) -> None:
        """Let go of the keys of looks; those of fields the lease lets go of."""
        self.knowledge.access_keys.forget()


class KeptKeys:
    """Holds the keys of some scopes.

    Args:
        scopes: Nothing else is ever unwrapped.
        ttl: How long opened keys serve without the provider; it is asked again after half of that.
        watch: Is told of it.
    """

    def __init__(
        self,
        database: Database,
        identity: Identity,
        scopes: KeyScopes,
        ttl: dt.timedelta,
        clock: Callable[[], float] | None = None,
        watch: KeysWatch | None = None,
    ) -> None:
        self._watch = watch or KeysWatch()
        self._database = database
        self._identity = identity
        self.scopes = scopes
        self._clock = clock or asyncio.get_running_loop().time
        self._lease = KeyLease(ttl, self._clock)
        self._lock = asyncio.Lock()
        self._revision = SharedReading(self._registered)
        self._held: OpenKeys | None = None
        self._not_before = 0.0

    async def current(self) -> OpenKeys:
        """The keys as they are registered now.

        Raises:
            Unavailable: Database or provider are away, and the time of what was held is over, or it holds no more.
        """
        revision = await self._revision.get()
        async with self._lock:
            return await self._renewed(revision)

    @property
    def count(self) -> int:
        """How many tier keys are held."""
        return 0 if self._held is None else len(self._held.knowledge.tier_keys.held())

    async def keep(self) -> NoReturn:
        """Renew in time, and give up what can't be renewed, also while nobody asks for anything."""
        while True:
            try:
                await self.current()
            except (SealstreamError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
                error = type(exc).__name__
                structlog.get_logger(__name__).warning("release.keys_not_renewed", error=error)
                async with self._lock:
                    self._give_up_lapsed()
                    why = f"database or key provider do not answer as they should ({error})"
                    self._watch.waiting(why, self.count, self._lease.left)
            else:
                self._watch.serving(self.count, self._lease.left)
            await asyncio.sleep(LOOK_SECONDS)

    async def _renewed(self, revision: int) -> OpenKeys:
        held = self._held
        changed = held is None or held.knowledge.revision != revision
        if changed or (self._lease.due and self._clock() >= self._not_before):
            asked_at = self._clock()
            try:
                knowledge = await load_knowledge(self._database, self._identity, scopes=self.scopes)
            except SealstreamError:
                self._not_before = self._clock() + PAUSE_SECONDS
                self._watch.asked_provider(self._clock() - asked_at, good=False)
                # What changed may be that a key is shredded: nothing is opened by what was known before.
                if changed:
                    raise
            else:
                held = self._held = OpenKeys(self._database, self._identity, knowledge)
                self._lease.renew(knowledge.tier_keys, asked_at)
                self._watch.asked_provider(self._clock() - asked_at, good=True)
        self._give_up_lapsed()
        if self._held is None or held is None:
            raise TierKeysLapsed
        return held

    def _give_up_lapsed(self) -> None:
        try:
            self._lease.enforce()
        except TierKeysLapsed:
            if self._held is not None:
                self._held.forget()
            self._held = None

    async def _registered(self) -> int:
        async with self._database.session(clean=True) as connection:
            return await registry_revision(connection)
