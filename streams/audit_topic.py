"""Reading a log's leaves back from its audit topic, by their index: what a recovery has when the database lost them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, cast

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from schemas.errors import StorageError, Unavailable
from streams.kafka import KafkaAccess
from streams.notices import OUT_PARTITION

READ_SECONDS: Final = 30.0
INDEX_HEADER: Final = "ce_sealindex"
LOG_HEADER: Final = "ce_seallog"


class LeavesGone(StorageError):
    """The audit topic does not hold the leaves that are asked for: they were expired, or never written."""


@dataclass(frozen=True, slots=True)
class PublishedLeaf:
    """A leaf as subscribers got it; `body` is to be checked against a root before it is believed."""

    index: int
    body: bytes


async def published_leaves(
    kafka: KafkaAccess, topic: str, origin: str, first: int, end: int
) -> AsyncIterator[list[PublishedLeaf]]:
    """The leaves of a log from one index to another, in order, without a gap, as they come.

    Raises:
        LeavesGone: One is not there.
        Unavailable: The broker can't be reached or does not answer.
    """
    wanted = first
    try:
        async with _reader(kafka, topic) as consumer:
            tp = TopicPartition(topic, OUT_PARTITION)
            consumer.seek(tp, await _offset_of(consumer, tp, origin, first))
            while wanted < end:
                batch = []
                for record in await _next(consumer, tp):
                    index = _index(record, origin)
                    # A broker without transactions may hold a leaf twice.
                    if index is None or index < wanted or index >= end:
                        continue
                    if index > wanted:
                        break
                    batch.append(PublishedLeaf(index, record.value or b""))
                    wanted += 1
                if not batch and wanted < end:
                    raise LeavesGone(f"topic {topic} does not hold leaf {wanted} of {origin} any more, or never did")
                yield batch
    except (KafkaError, OSError) as exc:
        raise Unavailable(f"topic {topic} can't be read now ({type(exc).__name__})") from exc


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
        async with asyncio.timeout(READ_SECONDS):
            await consumer.start()
            if topic not in await consumer.topics():
                raise LeavesGone(f"topic {topic} is not there, or we may not read it (docs/deployment.md)")
        consumer.assign([TopicPartition(topic, OUT_PARTITION)])
        yield consumer
    finally:
        await consumer.stop()


async def _next(consumer: AIOKafkaConsumer, tp: TopicPartition) -> list[ConsumerRecord]:
    """The next records; none at the topic's end."""
    async with asyncio.timeout(READ_SECONDS):
        while True:
            found = (await consumer.getmany(tp, timeout_ms=100)).get(tp)
            if found:
                return cast("list[ConsumerRecord]", found)
            end = consumer.last_stable_offset(tp)
            if end is not None and await consumer.position(tp) >= end:
                return []


async def _offset_of(consumer: AIOKafkaConsumer, tp: TopicPartition, origin: str, index: int) -> int:
    """The leaf's offset, or one right before it: shards follow each other, and in each indexes rise with offsets."""
    low: int = (await consumer.beginning_offsets([tp]))[tp]
    high: int = (await consumer.end_offsets([tp]))[tp]
    while low < high:
        middle = (low + high) // 2
        consumer.seek(tp, middle)
        records = await _next(consumer, tp)
        found = next((place for each in records if (place := _place(each)) is not None), None)
        if found is None or _follows(found, origin, index):
            high = middle
        else:
            low = middle + 1
    return low


def _place(record: ConsumerRecord) -> tuple[str, int] | None:
    headers = dict(record.headers)
    try:
        return headers[LOG_HEADER].decode(), int(headers[INDEX_HEADER])
    except (KeyError, ValueError):
        return None


def _follows(found: tuple[str, int], origin: str, index: int) -> bool:
    """Whether a place is this one or comes after it."""
    its_origin, its_index = found
    if its_origin == origin:
        return its_index >= index
    # A later shard's origin is the log's, a slash, and its number.
    if its_origin.startswith(f"{origin}/") or origin.startswith(f"{its_origin}/"):
        return len(its_origin) > len(origin)
    return int(its_origin.rpartition("/")[2]) > int(origin.rpartition("/")[2])


def _index(record: ConsumerRecord, origin: str) -> int | None:
    headers = dict(record.headers)
    if headers.get(LOG_HEADER) != origin.encode():
        return None
    try:
        return int(headers[INDEX_HEADER])
    except (KeyError, ValueError):
        return None
