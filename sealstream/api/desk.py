"""The desk that the API reads records through: `agents.reading.desk`, with keys and catalogue as registered now."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from uuid import UUID

from agents.access.keeper import AccessKeeper
from agents.access.look_log import WrittenLook
from agents.opening.seen import Page, SeenRecord
from agents.platform.identity import Identity
from agents.platform.knowledge import Knowledge
from agents.reading.desk import Desk
from agents.reading.disclosing import Discloser
from agents.release import Release
from agents.reviews.considering import Consider, by_right
from sealstream.api.knowledge import CurrentKnowledge
from sealstream.people.principals import logs_with_looks
from security.access.principal import Principal
from security.commit_signature import WorkerKey
from security.key_provider import MAX_TIER
from streams.storage.database import Database
from streams.storage.reading import Cursor


class CurrentDesk:
    """Reads for everybody; renewed when the registry changes. The routes have seen to a credential's projects.

    Args:
        release: Opens fields in another process; None where the keys are in this one.
    """

    def __init__(
        self,
        database: Database,
        people: Database,
        identity: Identity,
        keeper: AccessKeeper,
        known: CurrentKnowledge,
        release: Release | None = None,
    ) -> None:
        self._elsewhere = release
        self._database = database
        self._people = people
        self._identity = identity
        self._keeper = keeper
        self._known = known
        self._worker: WorkerKey = identity.new_worker()
        self._desk: tuple[Knowledge, Desk] | None = None

    async def list(self, who: Principal, purpose: str, *, tenant: str | None, after: Cursor | None, limit: int) -> Page:
        """Records, the newest first."""
        return await (await self._now()).list(_anywhere(who), purpose, tenant=tenant, after=after, limit=limit)

    async def to_review(
        self, who: Principal, purpose: str, *, tenant: str | None, after: Cursor | None, limit: int
    ) -> Page:
        """Records that a model left to a person, the oldest first."""
        return await (await self._now()).to_review(_anywhere(who), purpose, tenant=tenant, after=after, limit=limit)

    async def consider(self, who: Principal, purpose: str) -> Consider:
        """Looks at what somebody is about to decide."""
        return by_right(await self._now(), _anywhere(who), purpose)

    async def show(self, who: Principal, purpose: str, name: UUID) -> Sequence[SeenRecord]:
        """The record of that id, or the records of the message of that id."""
        return await (await self._now()).show(_anywhere(who), purpose, name)

    async def search(self, who: Principal, purpose: str, field: str, value: str, *, limit: int) -> Sequence[SeenRecord]:
        """Records whose searchable field has exactly that value."""
        return await (await self._now()).search(_anywhere(who), purpose, field, value, limit=limit)

    async def discloser(self, who: Principal, purpose: str) -> Discloser:
        """Hands on what somebody may have, for receipts and packs."""
        return Discloser(await self._now(), _anywhere(who), purpose)

    async def release(self) -> Release:
        """What opens fields, and seals them."""
        return (await self._now()).release

    async def look_at_logs(self, who: Principal, purpose: str, asked: str, log_ids: Collection[int]) -> WrittenLook:
        """Write down that an auditor reads what logs say of people."""
        desk, knowledge = await self._now(), await self._known.up_to(MAX_TIER)
        return await desk.look_at_logs(who, purpose, asked, sorted(logs_with_looks(knowledge, log_ids)))

    async def _now(self) -> Desk:
        knowledge = await self._known.up_to(MAX_TIER)
        # Nothing is waited for from here on: requests that come together get the same desk.
        if self._desk is None or self._desk[0] is not knowledge:
            desk = Desk(
                self._database,
                self._identity,
                knowledge,
                self._worker,
                self._keeper,
                people=self._people,
                release=self._elsewhere,
            )
            self._desk = knowledge, desk
        return self._desk[1]


def _anywhere(who: Principal) -> Principal:
    return replace(who, projects=None)
