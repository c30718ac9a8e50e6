"""Looks at what the broker holds of a partition: its topic, its bounds, and one record. Nothing is consumed by it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    KafkaError,
    NoError,
    NotLeaderForPartitionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest
from faust.types import TP

from streams.frames.batches import FetchedRecord, GuardedPartition, GuardedRecords
from streams.frames.decompression import MAX_BATCH_BYTES, bound_decompression
from streams.frames.errors import FeedError
from streams.frames.metadata import topic_ids
from streams.kafka import KafkaAccess, explain

PATIENCE: Final = timedelta(seconds=5)
RETRY_SECONDS: Final = 0.1
AT_ONCE: Final = 8
"""Each answer holds one batch, which is as large as the broker allows."""

WAIT_MS: Final = 10  # the embedded broker answers nothing at all to those who don't wait
ONE_BATCH: Final = 1  # as many bytes; at least one batch comes, whatever its size
Answer = TypeVar("Answer")

_READ_UNCOMMITTED: Final = 0
_EARLIEST: Final = -2
_LATEST: Final = -1


@dataclass(frozen=True, slots=True)
class Holding:
    """What the broker holds of a partition.

    Attributes:
        start: The first offset it holds.
        end: The offset that the next record gets.
        topic_id: None where the broker doesn't tell.
        record: The record at the offset asked for; None when there is none or it can't be unpacked.
    """

    start: int
    end: int
    topic_id: UUID | None
    record: FetchedRecord | None


@asynccontextmanager
async def open_probe(kafka: KafkaAccess) -> AsyncIterator["PartitionProbe"]:
    """A probe with connections of its own.

    Raises:
        ConfigurationError: Kafka can't be reached, or does not let us in.
    """
    bound_decompression(MAX_BATCH_BYTES)
    client = AIOKafkaClient(**kafka.client_options())
    try:
        try:
            await client.bootstrap()
        except KafkaError as exc:
            raise await explain(kafka, exc) from exc
        yield PartitionProbe(client)
    finally:
        await client.close()


class PartitionProbe:
    """Asks brokers over a client's connections.

    Args:
        client: Bootstrapped; it must know the topics asked for, or learns them.
        patience: How long to ask in all; what is not answered by then is left out.
    """

    def __init__(self, client: AIOKafkaClient, patience: timedelta = PATIENCE) -> None:
        self._client = client
        self._patience = patience.total_seconds()

    async def partitions(self, topic: str) -> list[int]:
        """The partitions of a topic, in order.

        Raises:
            FeedError: There is no such topic, or no broker tells.
        """
        try:
            async with asyncio.timeout(self._patience):
                await self._client.add_topic(topic)
                while (numbers := self._client.cluster.partitions_for_topic(topic)) is None:
                    await asyncio.sleep(RETRY_SECONDS)
                    await self._client.force_metadata_update()
        except (KafkaError, TimeoutError) as exc:
            raise FeedError(f"no broker knows topic {topic}; create it with `sealstream topics create`") from exc
        return sorted(numbers)

    async def topic_ids(self, names: set[str]) -> Mapping[str, UUID]:
        """The ids of those topics that the broker gives one.

        Raises:
            FeedError: No broker answers.
        """
        try:
            return await topic_ids(self._client, sorted(names))
        except KafkaError as exc:
            raise FeedError(f"no broker told the ids of {len(names)} topics ({type(exc).__name__})") from exc

    async def look(self, asked: Mapping[TP, int]) -> dict[TP, Holding]:
        """What is held of each partition; one whose leader does not answer in time is left out.

        Args:
            asked: The offset whose record is wanted.

        Raises:
            FeedError: The broker does not let us read one of the topics.
        """
        topics, found = sorted({tp.topic for tp in asked}), {}
        gate = asyncio.Semaphore(AT_ONCE)

        async def look(tp: TP, offset: int) -> None:
            async with gate:
                found[tp] = await self._persist(lambda: self._look(tp, offset))

        async def names() -> Mapping[str, UUID]:
            return await self._persist(lambda: topic_ids(self._client, topics))

        identifying = asyncio.create_task(names())
        tasks = [identifying, *(asyncio.create_task(look(tp, offset)) for tp, offset in asked.items())]
        try:
            await asyncio.wait(tasks, timeout=self._patience, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        if identifying.cancelled():
            return {}
        ids = identifying.result()
        return {tp: Holding(start, end, ids.get(tp.topic), record) for tp, (start, end, record) in found.items()}

    async def _persist(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        while True:
            try:
                return await ask()
            except TopicAuthorizationFailedError as exc:
                raise FeedError("the broker does not let us read an inbound topic; check the ACLs") from exc
            except KafkaError:  # no leader, another leader, a lost connection: all of that may pass
                self._client.force_metadata_update()
                await asyncio.sleep(RETRY_SECONDS)

    async def _look(self, tp: TP, offset: int) -> tuple[int, int, FetchedRecord | None]:
        await self._client.add_topic(tp.topic)
        record, end = await self._fetch(tp, offset)
        start = await self._bound(tp, _EARLIEST)
        latest = await self._bound(tp, _LATEST)
        # A new leader may lag in what it says beside records, and the embedded broker counts batches in its answer to
        # the plain question; both only ever say too little.
        return start, max(latest, end), record

    async def _fetch(self, tp: TP, offset: int) -> tuple[FetchedRecord | None, int]:
        """The record at an offset, and the end that comes with the answer."""
        wanted = [(tp.topic, [(tp.partition, offset, ONE_BATCH)])]
        answer = await self._ask(tp, FetchRequest(WAIT_MS, 1, ONE_BATCH, _READ_UNCOMMITTED, wanted))
        ((_, ((_, code, end, *_, data),)),) = answer.topics
        error = for_code(code)
        if error is OffsetOutOfRangeError:
            return None, 0
        if error is not NoError:
            raise error(tp)
        found = GuardedPartition(
            TopicPartition(*tp), GuardedRecords(data or b""), [], offset, None, None, True, _READ_UNCOMMITTED
        )
        first = next(found, None)
        return (first if isinstance(first, FetchedRecord) and first.offset == offset else None), end

    async def _bound(self, tp: TP, which: int) -> int:
        answer = await self._ask(tp, OffsetRequest(-1, _READ_UNCOMMITTED, [(tp.topic, [(tp.partition, which)])]))
        ((_, ((_, code, _, offset, *_),)),) = answer.topics
        error = for_code(code)
        if error is not NoError:
            raise error(tp)
        return int(offset)

    async def _ask(self, tp: TP, request: Any) -> Any:
        leader = self._client.cluster.leader_for_partition(TopicPartition(*tp))
        if leader is None or leader == -1:
            raise NotLeaderForPartitionError(tp)
        return await self._client.send(leader, request)
