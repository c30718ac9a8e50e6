"""A broker with topics, a store of positions and agents, for the tests of the frame transport."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import TopicAlreadyExistsError, for_code
from aiokafka.protocol.produce import ProduceRequest
from faust.types import TP

from deploy.kafka import KafkaBroker
from streams.app import build_app, frame_topic
from streams.embedded import EmbeddedBroker
from streams.frames import Frame, FrameConsumer, FrameOptions
from streams.kafka import KafkaAccess

PATIENCE_SECONDS = 30.0  # only ever used up by a failing test


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


class Cluster:
    """A broker of our own."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers

    async def create_topic(self, name: str, partitions: int) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(name, partitions, 1)])
        finally:
            await admin.close()

    async def delete_topics(self, *names: str) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        await admin.start()
        try:
            await admin.delete_topics(list(names))
        finally:
            await admin.close()

    async def produce(
        self, topic: str, values: Mapping[int, Collection[bytes]], compression: str | None = None, **options: Any
    ) -> None:
        """Append values to partitions, in order."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap_servers, compression_type=compression, linger_ms=5, **options
        )
        await producer.start()
        try:
            for partition, items in values.items():
                sent = [await producer.send(topic, value, partition=partition) for value in items]
                await asyncio.gather(*sent)
        finally:
            await producer.stop()

    async def produce_batch(self, topic: str, packed: bytes, partition: int = 0) -> None:
        """Append a batch as it is; its base offset is the broker's."""
        client = AIOKafkaClient(bootstrap_servers=self.bootstrap_servers)
        await client.bootstrap()
        try:
            await client.add_topic(topic)
            request = ProduceRequest(None, -1, 10_000, [(topic, [(partition, packed)])])
            leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
            ((_, ((_, code, *_),)),) = (await client.send(leader, request)).topics
            if code:
                raise for_code(code)(topic)
        finally:
            await client.close()

    async def group_offset(self, group: str, tp: TP) -> int | None:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap_servers, group_id=group, enable_auto_commit=False)
        await consumer.start()
        try:
            consumer.assign([TopicPartition(*tp)])
            return await consumer.committed(TopicPartition(*tp))
        finally:
            await consumer.stop()


@asynccontextmanager
async def cluster(directory: Path, **topics: int) -> AsyncIterator[Cluster]:
    """A fresh broker with these topics and their numbers of partitions."""
    async with EmbeddedBroker(directory / "broker") as broker:
        ours = Cluster(broker.bootstrap_servers)
        for name, partitions in topics.items():
            await ours.create_topic(name, partitions)
        yield ours


Brokers = Callable[..., AbstractAsyncContextManager[Cluster]]
"""Like ``cluster``."""


@asynccontextmanager
async def on_kafka(kafka: KafkaBroker, directory: Path, **topics: int) -> AsyncIterator[Cluster]:
    """The same on a Kafka that others use too: the topics are new, and gone afterwards."""
    ours = Cluster(kafka.bootstrap_servers)
    for name, partitions in topics.items():
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    # Some batches have timestamps of 1970, and every few minutes a broker removes what is too old.
                    await kafka.create_topic(name, partitions, retention_ms=-1)
                except TopicAlreadyExistsError:  # the one of the test before is being deleted
                    await asyncio.sleep(0.1)
                else:
                    break
    try:
        yield ours
    finally:
        await ours.delete_topics(*topics)


class MemoryStore:
    """Progress as the real store keeps it: watermarks moved by compare-and-set, the records committed with them."""

    def __init__(self) -> None:
        self.watermarks: dict[TP, int] = {}
        self.committed: dict[TP, list[tuple[int, bytes]]] = defaultdict(list)
        self.passed_over: dict[TP, list[tuple[int, int]]] = defaultdict(list)
        self.asked: list[frozenset[TP]] = []

    async def positions(self, consumer: FrameConsumer, tps: Collection[TP]) -> Mapping[TP, int]:
        """The watermarks; the earliest offset where there is none yet."""
        self.asked.append(frozenset(tps))
        unknown = [tp for tp in tps if tp not in self.watermarks]
        if unknown:
            self.watermarks.update(await consumer.earliest_offsets(*unknown))
        return {tp: self.watermarks[tp] for tp in tps}

    def commit(self, frame: Frame) -> bool:
        """Take the records from the watermark on; False when that would leave a gap."""
        stored = self.watermarks[frame.tp]
        if frame.first > stored:
            return False
        if frame.next > stored:
            self.committed[frame.tp] += [(r.offset, r.value) for r in frame.records if r.offset >= stored]
            self.passed_over[frame.tp] += [(b.first, b.last) for b in frame.unreadable if b.last >= stored]
            self.watermarks[frame.tp] = frame.next
        return True

    @property
    def count(self) -> int:
        return sum(map(len, self.committed.values()))


def frames_app(
    ours: Cluster,
    directory: Path,
    store: MemoryStore,
    *,
    group: str = "group",
    settings: Mapping[str, Any] | None = None,
    **options: Any,
) -> faust.App:
    """An app that joins quickly."""
    return build_app(
        group,
        kafka=KafkaAccess(ours.bootstrap_servers),
        frames=FrameOptions(**{"positions": store.positions, "drain_timeout": timedelta(seconds=1), **options}),
        datadir=directory / "faust",
        session_timeout=timedelta(seconds=2),
        settings={"broker_commit_interval": 0.2, **(settings or {})},
    )


def collect(app: faust.App, *topics: str, work: Callable[[Frame], Awaitable[None]], concurrency: int = 4) -> None:
    """Give the app an agent that does ``work`` on each frame and acks it afterwards."""

    async def agent(stream: faust.StreamT) -> None:
        async for event in stream.events():
            await work(event.message)

    app.agent(frame_topic(app, *topics), name="collect", concurrency=concurrency)(agent)
