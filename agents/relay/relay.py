"""Publishes the sequenced log to Kafka, in its order: exactly once where the broker has transactions.

The broker's position decides where the relay goes on, not the database's: the two are written in one transaction with
the notices, so nothing is missing or doubled whatever dies when. Which broker it is, is streams.publication's part.
What is published at once is signed once for each log (agents.relay.attested_notices).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from agents.commits.observation import Observer
from agents.lanes.messages import LaneMessage
from agents.log.publication_check import refuse_if_behind
from agents.relay.batch import NextLeaves, check_leaves, last_hash_of, make_batch
from agents.relay.notices import Notice, NoticeTopics
from schemas.errors import VerificationFailed
from security.signing import Signer
from streams.pacing import Pacing
from streams.probe import Probe, no_probe
from streams.storage import relaying
from streams.storage.database import Connection, Database
from streams.storage.durability import settle
from streams.storage.ownership import owned
from streams.storage.relaying import RelayPosition, SizedLog
from streams.storage.snapshots import current_snapshot

log = structlog.get_logger(__name__)

MAX_LEAVES: Final = 2_000
"""In one transaction; a single commit may be longer."""


class Publication(Protocol):
    """Publishes for one relay, from its start to its end."""

    @property
    def positions(self) -> Mapping[str, RelayPosition]:
        """How far each log was published when the publication was opened, by origin."""
        ...

    async def publish(self, messages: Sequence[Notice | LaneMessage], after: Mapping[str, RelayPosition]) -> None:
        """Publish notices, in order within each topic, what goes into lanes, and the positions after them.

        Raises:
            PublishFailed: Some may be missing: begin anew, with the positions that the broker has then.
            Superseded: Another relay has taken over.
        """
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a relay works with; see `Relay`."""

    topics: Callable[[str], NoticeTopics]
    signer_for: Callable[[SizedLog], Signer]
    observer: Observer = field(default_factory=Observer)
    probe: Probe = no_probe


class Relay:
    """Publishes every log while this process holds the relay's lock.

    Args:
        publications: Opens a publication, which fences the former one.
        topics: Gives a tenant's topics.
        signer_for: Gives the key that signs a log's notices.
        working: Told after each round, and while another process holds the lock.
        observer: Is told of each publication.
        probe: Is told each point that is passed.
    """

    def __init__(
        self,
        database: Database,
        publications: Callable[[], AbstractAsyncContextManager[Publication]],
        topics: Callable[[str], NoticeTopics],
        signer_for: Callable[[SizedLog], Signer],
        *,
        working: Callable[[], None] = lambda: None,
        observer: Observer | None = None,
        probe: Probe = no_probe,
    ) -> None:
        self._database = database
        self._working = working
        self._publications = publications
        self._parts = Parts(topics, signer_for, observer or Observer(), probe)

    async def run(self) -> None:
        """Publish until cancelled; waits while another process holds the lock. May be called again after an error.

        Raises:
            Unavailable: The broker or the lock was lost: run again.
            Superseded: Another relay has taken over.
            BehindPublication: The database holds less than what is published.
        """
        async with (
            owned(self._database, relaying.RELAY_LOCK, self._working),
            self._publications() as publication,
            self._database.session() as connection,
        ):
            work = await RelayWork.take_over(connection, publication, self._parts)
            pacing = Pacing()
            while True:
                published = await work.step(connection)
                self._working()
                await pacing.rest(found=published > 0, more=work.more)


class RelayWork:
    """What a relay does once it is the owner.

    Attributes:
        more: The last step left leaves for the next one.
    """

    def __init__(self, publication: Publication, parts: Parts) -> None:
        self.more = False
        self._publication = publication
        self._parts = parts
        self._positions = dict(publication.positions)
        self._signers: dict[str, Signer] = {}
        self._stopped: set[str] = set()
        self._turn = 0
        self._at_rest = False
        self._looked_at: str | None = None

    @classmethod
    async def take_over(cls, connection: Connection, publication: Publication, parts: Parts) -> "RelayWork":
        """Go on where the broker says that the former owner stopped.

        Raises:
            BehindPublication: The database holds less than what is published, or something else.
        """
        await refuse_if_behind(connection, publication.positions)
        for each in await relaying.sized_logs(connection):
            # The former owner may have ended between publishing and writing it down.
            if (at := publication.positions.get(each.origin)) is not None:
                await relaying.write_relay_position(connection, each.tree, at)
        return cls(publication, parts)

    async def step(self, connection: Connection) -> int:
        """Publish the next leaves of all logs in one transaction; returns how many leaves."""
        # At rest, the cheaper question comes first; at work, it would only come before the other.
        snapshot = await current_snapshot(connection) if self._at_rest else None
        self.more = False
        if snapshot is not None and snapshot == self._looked_at:
            return 0
        parts = await self._next(connection)
        self._at_rest, self._looked_at = not parts, snapshot
        if not parts:
            return 0
        leaves = sum(len(part.leaves) for part in parts)
        for part in parts:
            if part.log.origin not in self._signers:
                self._signers[part.log.origin] = await asyncio.to_thread(self._parts.signer_for, part.log)
        with self._parts.observer.publication(leaves) as traceparent:
            batch = make_batch(parts, self._parts.topics, lambda log: self._signers[log.origin], traceparent)
            # What was read may be visible and not durable yet.
            await settle(connection)
            self._parts.probe("read")
            await self._publication.publish([*batch.notices, *batch.lanes], batch.positions)
        self._positions.update(batch.positions)
        for part in parts:
            await relaying.write_relay_position(connection, part.log.tree, batch.positions[part.log.origin])
        return leaves

    async def _next(self, connection: Connection) -> list[NextLeaves]:
        """The next leaves of the logs that have some, up to a transaction's size; another log comes first each time."""
        waiting: list[SizedLog] = []
        held: set[int] = set()
        for each in await relaying.sized_logs(connection):
            # A shard is published once the one before it is, to its end.
            if each.log_id not in held and each.held > (await self._position(connection, each)).position:
                held.add(each.log_id)
                if each.origin not in self._stopped:
                    waiting.append(each)
        if not waiting:
            return []
        self._turn = (self._turn + 1) % len(waiting)
        parts: list[NextLeaves] = []
        room = MAX_LEAVES
        for each in waiting[self._turn :] + waiting[: self._turn]:
            part = await self._leaves(connection, each, room)
            if part is not None:
                parts.append(part)
                room -= len(part.leaves)
            if room <= 0:
                break
        left = any(part.log.held > part.at.position + len(part.leaves) for part in parts)
        self.more = left or len(parts) < len(waiting)
        return parts

    async def _position(self, connection: Connection, each: SizedLog) -> RelayPosition:
        """The broker's word; where it has none, it is a new one, and the log goes on there."""
        at = self._positions.get(each.origin)
        if at is None:
            at = self._positions[each.origin] = await relaying.read_relay_position(connection, each.tree)
        return at

    async def _leaves(self, connection: Connection, each: SizedLog, room: int) -> NextLeaves | None:
        at = self._positions[each.origin]
        first = each.start + at.position
        room = min(room, each.held - at.position)
        commits = await relaying.sequenced_commits(connection, each.log_id, first, room)
        if not commits:
            return None
        try:
            leaves = check_leaves(commits, each.origin, first)
        except VerificationFailed as exc:
            # Publishing past it would hide it; the other logs go on.
            log.error("relay.log_stopped", log=each.origin, error=str(exc))
            self._stopped.add(each.origin)
            return None
        checkpoint = await relaying.newest_checkpoint(connection, each.tree, at.position + len(leaves))
        return NextLeaves(each, at, leaves, last_hash_of(commits), checkpoint)
