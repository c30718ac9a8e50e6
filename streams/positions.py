"""How far each log is published, by the broker's word: a compacted topic with one record for each log.

On brokers with transactions a position is written in the transaction that publishes its notices, so that the two never
differ; on others right after them, so that it may lag. Writing them is `streams.publication`'s part.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.errors import ConfigurationError, StorageError, Unavailable
from streams.kafka import KafkaAccess
from streams.storage.relaying import RelayPosition

POSITIONS_CONFIG: Final[Mapping[str, str]] = {
    "cleanup.policy": "compact",
    # A relay that takes over reads it from its beginning, and only closed segments are compacted.
    "segment.bytes": str(16 << 20),
    "segment.ms": str(3_600_000),
    "min.cleanable.dirty.ratio": "0.1",
}
PARTITION: Final = 0
READ_LIMIT: Final = 60.0
FORM: Final = 1


class PositionUnreadable(StorageError):
    """A position record is not in a form that this program reads."""


class PositionRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The value of a position record; its key is the log's origin.

    Attributes:
        v: The form.
        next: The next index to publish.
        last: Hash of the leaf before it.
        previous: Topic to the last index published there.
        checkpoint: A signed checkpoint over at most `next` leaves.
        atomic: Whether the record stands in the transaction of its notices.
    """

    v: int
    next: int
    last: bytes = b""
    previous: dict[str, int] = {}
    checkpoint: str | None = None
    atomic: bool = False


@dataclass(frozen=True, slots=True)
class Positions:
    """What the topic holds.

    Attributes:
        logs: Origin to position.
        atomic: Whether any was written within a transaction: this broker has them.
    """

    logs: Mapping[str, RelayPosition]
    atomic: bool


def encode_position(at: RelayPosition, *, atomic: bool) -> bytes:
    """The value of a position record: JSON, so that operators and other programs can read it."""
    return msgspec.json.encode(
        PositionRecord(
            v=FORM,
            next=at.position,
            last=at.last_hash,
            previous=at.previous,
            checkpoint=at.checkpoint,
            atomic=atomic,
        ),
        order="sorted",
    )


def decode_position(value: bytes) -> tuple[RelayPosition, bool]:
    """Read a position record's value; also whether it stands in the transaction of its notices.

    Raises:
        PositionUnreadable: It is none, or one of a newer program.
    """
    try:
        record = msgspec.json.decode(value, type=PositionRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise PositionUnreadable("a record of the relay's position topic is not in the expected form") from exc
    if record.v != FORM:
        raise PositionUnreadable(f"the relay's position topic has records of form {record.v}; this reads {FORM}")
    return RelayPosition(record.next, record.previous, record.last, record.checkpoint), record.atomic


async def read_positions(kafka: KafkaAccess, topic: str, prefix: str, *, limit: float = READ_LIMIT) -> Positions:
    """The newest position of every log whose origin begins with a prefix; only what is committed counts.

    Args:
        prefix: The origins of one platform, of several that share a cluster.
        limit: Seconds.

    Raises:
        Unavailable: The broker can't be reached, or does not serve the topic now.
        ConfigurationError: The topic is not there, or not ours to read.
    """
    logs: dict[str, RelayPosition] = {}
    atomic = False
    try:
        async with asyncio.timeout(limit), _reader(kafka, topic) as consumer:
            async for key, value in _committed(consumer, TopicPartition(topic, PARTITION)):
                origin = (key or b"").decode(errors="replace")
                if origin.startswith(prefix) and value:
                    logs[origin], within = decode_position(value)
                    atomic = atomic or within
    except (KafkaError, OSError) as exc:
        raise Unavailable(f"the relay's positions (topic {topic}) can't be read now ({type(exc).__name__})") from exc
    return Positions(logs, atomic)


@asynccontextmanager
async def _reader(kafka: KafkaAccess, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **kafka.client_options(),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
    )
    try:
        await consumer.start()
        # Asking for the list creates no topic, as asking for the topic may.
        if topic not in await consumer.topics():
            raise ConfigurationError(
                f"topic {topic} is not there, or we may not read it: create it with `sealstream topics create`, and "
                "grant READ on it (docs/deployment.md)"
            )
        consumer.assign([TopicPartition(topic, PARTITION)])
        yield consumer
    finally:
        await consumer.stop()


async def _committed(
    consumer: AIOKafkaConsumer, tp: TopicPartition
) -> AsyncIterator[tuple[bytes | None, bytes | None]]:
    """All records up to where a fetch says that committed ones end; some brokers tell it truly in no other way."""
    end = None
    while end is None or await consumer.position(tp) < end:
        for records in (await consumer.getmany(timeout_ms=100)).values():
            for record in records:
                yield record.key, record.value
        end = consumer.last_stable_offset(tp)
