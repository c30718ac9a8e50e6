"""What a topic holds for a subscriber that reads committed messages."""

import asyncio
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.kafka import KafkaAccess
from streams.topics import TopicSpec, create_topics

Published = tuple[bytes, bytes, list[tuple[str, bytes]]]


class RelayNames(NamedTuple):
    """The names that one test's relay uses on a shared broker."""

    prefix: str

    @property
    def positions(self) -> str:
        return f"{self.prefix}-positions"

    def topics(self, tenant: str) -> tuple[str, str, str]:
        """Results, audit, dead letters, as `NoticeTopics` has them."""
        return tuple(f"{self.prefix}-{kind}.{tenant}" for kind in ("results", "audit", "dead-letters"))  # type: ignore[return-value]

    async def create(self, bootstrap: str, *tenants: str, replication: int = 1) -> None:
        """Create the relay's topics."""
        names = [self.positions, *(name for tenant in tenants for name in self.topics(tenant))]
        await create_topics(KafkaAccess(bootstrap), [TopicSpec(name, 1, replication) for name in names])


async def read_topic(bootstrap: str, name: str, *, isolation: str = "read_committed") -> list[Published]:
    """Everything up to the topic's end; a transaction that is being committed is waited for."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level=isolation,
        fetch_max_wait_ms=50,
    )
    await consumer.start()
    try:
        tp = TopicPartition(name, 0)
        consumer.assign([tp])
        found: list[Published] = []
        end = None
        async with asyncio.timeout(60):
            while end is None or await consumer.position(tp) < end:
                for records in (await consumer.getmany(timeout_ms=50)).values():
                    found += [(record.key, record.value, list(record.headers)) for record in records]
                end = consumer.highwater(tp)
        return found
    finally:
        await consumer.stop()
