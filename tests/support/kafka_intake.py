"""Intake workers of a test's platform that read from real Kafka, in the test's process; and what Kafka lets one do."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import cast

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from faust.types import TP

from agents.intake.committer import GroupCommitter
from agents.intake.progress import Progress
from agents.intake.worker import IntakeWorker, beside
from agents.platform.identity import position_key
from deploy.kafka import KafkaBroker
from sealstream.client import Signer
from sealstream.feeds import FeedItem
from sealstream.producing.signed_items import sign_item
from streams.app import build_app, running
from streams.frames import FrameConsumer, FrameOptions
from streams.kafka import KafkaAccess
from tests.support.installation import BANK_A, Installation

PATIENCE_SECONDS = 60.0  # only ever used up by a failing test
SESSION = timedelta(seconds=1)


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds; it may be awaitable."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            held = condition()
            if await held if asyncio.iscoroutine(held) else held:
                return
            await asyncio.sleep(0.05)


@dataclass
class Feed:
    """A topic of the test's own, read by a group of its own."""

    kafka: KafkaBroker
    topic: str = field(default_factory=lambda: f"feed-{uuid.uuid4().hex[:8]}")

    @property
    def group(self) -> str:
        return f"group-{self.topic}"

    @property
    def bootstrap(self) -> str:
        return self.kafka.bootstrap_servers

    def tp(self, partition: int = 0) -> TP:
        return TP(self.topic, partition)

    async def create(self, partitions: int = 1, **properties: object) -> None:
        await self.kafka.create_topic(self.topic, partitions, **properties)

    async def put(self, *items: FeedItem, partition: int = 0, transactional: str | None = None) -> None:
        """Sign and publish items, in one transaction where an id is given."""
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap, transactional_id=transactional) as producer:
            if transactional:
                await producer.begin_transaction()
            await self._send(producer, items, partition)
            if transactional:
                await producer.commit_transaction()

    async def _send(self, producer: AIOKafkaProducer, items: Iterable[FeedItem], partition: int) -> None:
        for item in items:
            headers, value, key = sign_item(item, Signer(BANK_A.source, BANK_A.signer))
            await producer.send_and_wait(self.topic, value, key=key, headers=list(headers), partition=partition)

    async def recreate(self, partitions: int = 1) -> None:
        """Delete the topic and create another by its name."""
        async with self._admin() as admin:
            await admin.delete_topics([self.topic])
            await until(lambda: self._is_gone(admin))
        await until(self._created(partitions))

    async def _is_gone(self, admin: AIOKafkaAdminClient) -> bool:
        return self.topic not in await admin.list_topics()

    def _created(self, partitions: int) -> Callable[[], object]:
        async def attempt() -> bool:
            try:
                await self.create(partitions)
            except Exception as exc:
                if type(exc).__name__ != "TopicAlreadyExistsError":  # it is still being deleted
                    raise
                return False
            return True

        return attempt

    async def expire(self, before: int, partition: int = 0) -> None:
        """Delete the records before an offset, as retention does."""
        async with self._admin() as admin:
            await admin.delete_records({TopicPartition(self.topic, partition): RecordsToDelete(before_offset=before)})

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()


@dataclass
class Intake:
    """A running worker."""

    platform: Installation
    feed: Feed
    progress: Progress

    async def stands_at(self, offset: int, partition: int = 0) -> None:
        """Wait until the stored position is there."""
        await until(lambda: self._stands_at(offset, partition))

    async def _stands_at(self, offset: int, partition: int) -> bool:
        found = await self.platform.one(
            "SELECT to_offset FROM watermark_steps WHERE topic = $1 AND part = $2 "
            "ORDER BY era DESC, from_offset DESC LIMIT 1",
            self.feed.topic,
            partition,
        )
        return bool(found == offset)


@asynccontextmanager
async def intake(
    platform: Installation,
    feed: Feed,
    directory: Path,
    *,
    around: Callable[[GroupCommitter], GroupCommitter] = lambda committer: committer,
    **options: object,
) -> AsyncIterator[Intake]:
    """Run a worker on a feed, as `sealstream worker --role intake` does.

    Args:
        around: Puts something between the worker and its committer.
    """
    parts = (await platform.worker(cluster=feed.kafka.cluster_id, group=feed.group)).parts
    key = position_key(platform.identity)
    progress = Progress(platform.database, feed.group, feed.kafka.cluster_id, key)
    app = build_app(
        feed.group,
        kafka=KafkaAccess(feed.bootstrap),
        frames=FrameOptions(positions=progress.positions, drain_timeout=timedelta(seconds=1), **options),  # type: ignore[arg-type]
        datadir=directory / f"faust-{uuid.uuid4().hex[:8]}",
        session_timeout=SESSION,
        settings={"broker_commit_interval": 0.2, "consumer_metadata_max_age_ms": 500},
    )
    IntakeWorker(parts.pipeline, around(parts.committer), progress).attach(app, [feed.topic])
    async with (
        beside(parts.committer.run(), "group-commit"),
        running(app),
        beside(progress.watch(cast(FrameConsumer, app.consumer)), "progress-watch"),
    ):
        yield Intake(platform, feed, progress)
