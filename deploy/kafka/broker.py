"""A running Kafka as its users know it: where it is, what it is called. Who runs it is `deploy.kafka.cluster`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

KNOWN_LIMIT: Final = timedelta(seconds=30)
POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class KafkaBroker:
    """Servers that somebody runs, this process or another.

    Attributes:
        bootstrap_servers: Where clients connect without encryption or authentication.
        cluster_id: What the servers call their cluster.
        copies: Replicas of a new topic.
    """

    bootstrap_servers: str
    cluster_id: str
    copies: int = 1

    async def create_topic(self, name: str, partitions: int = 1, **properties: object) -> None:
        """Create a topic; returns once the server that is asked knows it, which is later than the controller does.

        Args:
            properties: Of the topic, with underscores for dots: ``cleanup_policy="compact"``.
        """
        configs = {key.replace("_", "."): str(value) for key, value in properties.items()}
        async with administration(self.bootstrap_servers) as admin:
            answer = await admin.create_topics([NewTopic(name, partitions, self.copies, topic_configs=configs)])
            for _, code, *_ in answer.topic_errors:
                if code:
                    raise for_code(code)(name)
            async with asyncio.timeout(KNOWN_LIMIT.total_seconds()):
                while any(found["error_code"] for found in await admin.describe_topics([name])):  # noqa: ASYNC110
                    await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def administration(bootstrap_servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connection that administers."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()
