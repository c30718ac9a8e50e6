"""Where partitions are read on, by PostgreSQL's word, and which ones are not. Judging is agents.intake.continuity."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from faust.types import TP

from agents.commits.record_batch import RecordBatch
from agents.intake.continuity import PartitionRefused, judge, last_offset
from schemas.errors import SealstreamError
from streams.frames import Frame, FrameConsumer
from streams.storage.database import CONNECT_ERRORS, Database
from streams.storage.watermarks import StoredPosition, read_positions

log = structlog.get_logger(__name__)

WATCH_SECONDS: Final = 2.0


@dataclass(slots=True)
class _Standing:
    """What is known of a partition that is read.

    Attributes:
        fresh: It has no stored position: the next commit is the first ever.
    """

    topic_id: UUID | None
    era: int
    fresh: bool


class Progress:
    """Where each partition is to be read on; remembers how each one stands.

    A partition whose stored position doesn't fit what the broker holds is left out, with the reason, and the others
    go on. It is looked at again every few seconds: somebody may have moved its watermark.

    Args:
        position_key: Keys the digest of a partition's last record.
    """

    def __init__(self, database: Database, group: str, cluster: str, position_key: bytes) -> None:
        self._database = database
        self._group = group
        self._cluster = cluster
        self._position_key = position_key
        self._standings: dict[TP, _Standing] = {}
        self._refusals: dict[TP, PartitionRefused] = {}

    @property
    def refusals(self) -> Mapping[TP, PartitionRefused]:
        """The assigned partitions that are not read, and why."""
        return dict(self._refusals)

    async def positions(self, consumer: FrameConsumer, tps: Collection[TP]) -> Mapping[TP, int]:
        """Positions at which these partitions may be read on; one without a position starts at its first record."""
        stored = await self._stored(tps)
        holdings = await consumer.probe.look({tp: last_offset(stored.get(tp)) for tp in tps})
        found: dict[TP, int] = {}
        for tp in tps:
            position, holding = stored.get(tp), holdings.get(tp)
            refusal = judge(self._position_key, (tp.topic, tp.partition), position, holding)
            if refusal is not None:
                self._refuse(tp, refusal)
                continue
            assert holding is not None  # or it would be refused
            if self._refusals.pop(tp, None) is not None:
                log.info("intake.partition_resumed", topic=tp.topic, partition=tp.partition)
            if position is None:
                self._standings[tp] = _Standing(holding.topic_id, 0, fresh=True)
                found[tp] = holding.start
            else:
                topic_id = holding.topic_id or position.mark.topic_id
                self._standings[tp] = _Standing(topic_id, position.era, fresh=False)
                found[tp] = position.offset
        for tp in self._refusals.keys() - consumer.assignment():
            del self._refusals[tp]
        return found

    def _refuse(self, tp: TP, refusal: PartitionRefused) -> None:
        self._standings.pop(tp, None)
        known = self._refusals.get(tp)
        if known is None or known.why is not refusal.why:
            log.error(
                "intake.partition_refused", topic=tp.topic, partition=tp.partition, why=refusal.why, what=str(refusal)
            )
        self._refusals[tp] = refusal

    async def _stored(self, tps: Collection[TP]) -> dict[TP, StoredPosition]:
        async with self._database.session() as connection:
            rows = await read_positions(connection, self._group, self._cluster, list(tps))
        return {TP(*place): position for place, position in rows.items()}

    def batch(self, frame: Frame) -> RecordBatch:
        """A frame with what its watermark step has to say."""
        standing = self._standings[frame.tp]
        epoch = frame.records[-1].leader_epoch if frame.records else -1
        return RecordBatch(
            frame.tp.topic,
            frame.tp.partition,
            frame.first,
            frame.next,
            standing.fresh,
            frame.records,
            unreadable=frame.unreadable,
            topic_id=standing.topic_id,
            leader_epoch=epoch if epoch >= 0 else None,
            era=standing.era,
        )

    def committed(self, tp: TP) -> None:
        """The partition has a stored position now."""
        if tp in self._standings:
            self._standings[tp].fresh = False

    async def watch(self, consumer: FrameConsumer) -> None:
        """See every few seconds whether a refusal still holds, and whether a partition is still the one we read.

        A topic that is deleted, created again and filled past our position between two looks is read for that long as
        if it were the old one; nothing is lost by that: it is refused, and read from where the operator says.
        """
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                changed = await self._changed(consumer)
                if changed:
                    await consumer.rewind(changed)
            except (SealstreamError, *CONNECT_ERRORS) as exc:
                # The database's and the brokers' failures are told by those who can't work without them.
                log.debug("intake.watch_failed", error=type(exc).__name__)

    async def _changed(self, consumer: FrameConsumer) -> Sequence[TP]:
        ours = consumer.assignment()
        standings = {tp: each for tp, each in self._standings.items() if tp in ours}
        refused = [tp for tp in self._refusals if tp in ours]
        topics = {tp.topic for tp, standing in standings.items() if standing.topic_id is not None}
        topic_ids = await consumer.probe.topic_ids(topics) if topics else {}
        stored = await self._stored(list(standings))
        moved = [
            tp
            for tp, standing in standings.items()
            if topic_ids.get(tp.topic, standing.topic_id) != standing.topic_id
            or (tp in stored and stored[tp].era != standing.era)
        ]
        return refused + moved
