"""Reading lanes: small messages of ids, from wherever the database says, as many as there is room for.

Not the frame transport: see docs/decisions. What a message means, and what is done about it, is agents.lanes.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Final, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from schemas.errors import Unavailable
from streams.kafka import KafkaAccess, explain
from streams.storage.watermarks import Partition

log = structlog.get_logger(__name__)

POLL_MS: Final = 100
PAUSED_MS: Final = 20
"""How long a look without room takes: it only tells the group that we are alive."""

Positions = Callable[[Collection[Partition]], Awaitable[Mapping[Partition, int | None]]]
"""Where newly assigned partitions are read on; None is from their first message."""


class LaneAway(Unavailable):
    """The brokers don't let us read lanes now."""


class LaneRecord(Protocol):
    """A message as aiokafka gives it."""

    topic: str
    partition: int
    offset: int
    value: bytes | None


class LaneReader:
    """A member of the group that reads lanes. `open_lanes` makes it."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    @property
    def assigned(self) -> bool:
        """Whether the group has given us partitions."""
        return bool(self._consumer.assignment())

    async def take(self, most: int, held: Callable[[Partition], bool]) -> Sequence[LaneRecord]:
        """The next messages, in order within each partition; waits a moment when there are none.

        Args:
            most: How many.
            held: Which partitions must not be read now.

        Raises:
            LaneAway: Begin anew.
        """
        consumer = self._consumer
        try:
            partitions = consumer.assignment()
            held_now = [tp for tp in partitions if most <= 0 or held((tp.topic, tp.partition))]
            consumer.pause(*held_now)
            consumer.resume(*(partitions - set(held_now)))
            wait = PAUSED_MS if len(held_now) == len(partitions) and partitions else POLL_MS
            found = await consumer.getmany(timeout_ms=wait, max_records=max(most, 1))
        except (KafkaError, OSError) as exc:
            raise LaneAway(f"lanes can't be read now ({type(exc).__name__})") from exc
        return [record for records in found.values() for record in records]

    async def tell(self, positions: Mapping[Partition, int]) -> None:
        """Commit offsets for lag tools; nothing of ours reads them."""
        ours = self._consumer.assignment()
        offsets = {TopicPartition(*place): offset for place, offset in positions.items()}
        with suppress(KafkaError, OSError):
            if told := {tp: offset for tp, offset in offsets.items() if tp in ours}:
                await self._consumer.commit(told)


@asynccontextmanager
async def open_lanes(
    kafka: KafkaAccess,
    topics: Sequence[str],
    group: str,
    *,
    session_timeout: timedelta,
    positions: Positions,
    revoked: Callable[[Collection[Partition]], None],
) -> AsyncIterator[LaneReader]:
    """Join the group that reads these lanes.

    Args:
        positions: Asked before an assigned partition is read.
        revoked: Told which partitions somebody else may have by now.

    Raises:
        LaneAway: The brokers can't be reached now.
    """
    session_ms = int(session_timeout.total_seconds() * 1000)
    options: dict[str, Any] = {
        **kafka.client_options(),
        "group_id": group,
        "enable_auto_commit": False,
        # A position that the broker has no more: look at all it has. Whatever was ended is passed over.
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed",
        "session_timeout_ms": session_ms,
        "heartbeat_interval_ms": max(session_ms // 3, 100),
        "metadata_max_age_ms": 5_000,
    }
    consumer = AIOKafkaConsumer(**options)
    consumer.subscribe(topics, listener=_Listener(consumer, positions, revoked))
    try:
        await consumer.start()
    except (KafkaError, OSError) as exc:
        await consumer.stop()
        raise LaneAway(str(await explain(kafka, exc))) from exc
    try:
        yield LaneReader(consumer)
    finally:
        await consumer.stop()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Sets each partition to the database's position before it is read."""

    def __init__(
        self, consumer: AIOKafkaConsumer, positions: Positions, revoked: Callable[[Collection[Partition]], None]
    ) -> None:
        self._consumer = consumer
        self._positions = positions
        self._revoked = revoked

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._revoked([(tp.topic, tp.partition) for tp in revoked])

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        if not assigned:
            return
        stored = await self._positions([(tp.topic, tp.partition) for tp in assigned])
        fresh = []
        for tp in assigned:
            offset = stored.get((tp.topic, tp.partition))
            if offset is None:
                fresh.append(tp)
            else:
                self._consumer.seek(tp, offset)
        if fresh:
            await self._consumer.seek_to_beginning(*fresh)
        log.info("lanes.assigned", partitions=len(assigned))
