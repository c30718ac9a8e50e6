"""Sending notices through aiokafka, a batch at a time: appending to a batch costs a fifth of sending each."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from zlib import crc32

from aiokafka import AIOKafkaProducer

from schemas.errors import Unavailable

OUT_PARTITION: Final = 0
"""Outgoing topics have one partition: the log's order is the topic's order."""

MAX_BATCH_BYTES: Final = 512 * 1024


class PublishFailed(Unavailable):
    """The broker did not take every notice. Whoever goes on begins with the positions that the broker has."""


class Publishable(Protocol):
    """A message with its topic."""

    @property
    def topic(self) -> str:
        """Where it goes."""
        ...

    @property
    def key(self) -> bytes:
        """Kafka key."""
        ...

    @property
    def value(self) -> bytes:
        """Payload."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Kafka headers."""
        ...

    @property
    def spread(self) -> bool:
        """Whether it goes to the partition of its key; otherwise its topic has one partition."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the relay's own."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    spread: bool = False


async def send_all(producer: AIOKafkaProducer, notices: Iterable[Publishable]) -> None:
    """Send all, in order within each topic; returns when the broker has them.

    Raises:
        KafkaError: At least one may be missing.
    """
    by_place: dict[tuple[str, int], list[Publishable]] = defaultdict(list)
    for notice in notices:
        by_place[notice.topic, await _partition(producer, notice)].append(notice)
    await asyncio.gather(*(_send(producer, place, some) for place, some in by_place.items()))


async def _partition(producer: AIOKafkaProducer, notice: Publishable) -> int:
    if not notice.spread:
        return OUT_PARTITION
    return crc32(notice.key) % len(await producer.partitions_for(notice.topic))


async def _send(producer: AIOKafkaProducer, place: tuple[str, int], notices: Sequence[Publishable]) -> None:
    """A partition has one request in flight, so batches that are handed over early still arrive in order."""
    sent: list[asyncio.Future[object]] = []
    batch = producer.create_batch()
    for notice in notices:
        message = {"key": notice.key, "value": notice.value, "timestamp": None, "headers": notice.headers}
        if batch.append(**message) is None:
            sent.append(await _hand_over(producer, batch, place))
            batch = producer.create_batch()
            batch.append(**message)  # the first one always goes in, and a leaf is far smaller than a batch
    if batch.record_count():
        sent.append(await _hand_over(producer, batch, place))
    await asyncio.gather(*sent)


async def _hand_over(producer: AIOKafkaProducer, batch: Any, place: tuple[str, int]) -> "asyncio.Future[object]":
    sent: asyncio.Future[object] = await producer.send_batch(batch, place[0], partition=place[1])
    # One batch that fails is said once; the others of the same failure need nobody to ask for theirs.
    sent.add_done_callback(lambda done: done.cancelled() or done.exception())
    return sent
