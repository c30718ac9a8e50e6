"""Publishing notices through aiokafka, a batch at a time: appending to a batch costs a fifth of sending each."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.errors import SealstreamError
from streams.kafka import KafkaAccess, explain

OUT_PARTITION = 0
"""Outgoing topics have one partition: the log's order is the topic's order."""


class PublishFailed(SealstreamError):
    """The broker did not take every notice; publishing again is safe, subscribers de-duplicate."""


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


class KafkaNoticeSink:
    """Publishes notices in order, acknowledged by all in-sync replicas. An async context manager."""

    def __init__(self, kafka: KafkaAccess, **options: Any) -> None:
        self._kafka = kafka
        self._producer = AIOKafkaProducer(
            **kafka.client_options(), acks="all", linger_ms=0, max_batch_size=512 * 1024, **options
        )

    async def __aenter__(self) -> Self:
        try:
            await self._producer.start()
        except (KafkaError, OSError) as exc:
            raise PublishFailed(str(await explain(self._kafka, exc))) from exc
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def publish(self, notices: Iterable[Publishable]) -> None:
        """Publish all, in order within each topic; returns when the broker has them.

        Raises:
            PublishFailed: At least one may be missing.
        """
        by_topic: dict[str, list[Publishable]] = defaultdict(list)
        for notice in notices:
            by_topic[notice.topic].append(notice)
        try:
            await asyncio.gather(*(self._send(topic, group) for topic, group in by_topic.items()))
        except (KafkaError, OSError) as exc:
            raise PublishFailed(f"the broker did not take the notices ({type(exc).__name__})") from exc

    async def _send(self, topic: str, notices: Sequence[Publishable]) -> None:
        batch = self._producer.create_batch()
        for notice in notices:
            message = {"key": notice.key, "value": notice.value, "timestamp": None, "headers": notice.headers}
            if batch.append(**message) is None:
                await (await self._producer.send_batch(batch, topic, partition=OUT_PARTITION))
                batch = self._producer.create_batch()
                if batch.append(**message) is None:
                    raise PublishFailed(f"a notice for {topic} is larger than a batch may be")
        if batch.record_count():
            await (await self._producer.send_batch(batch, topic, partition=OUT_PARTITION))
