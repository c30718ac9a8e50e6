"""Publishing as fast as possible, by librdkafka on threads of its own: filling topics is not what is measured."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from bench.records import SignedRecord
from schemas.errors import SealstreamError

LINGER_MS: Final = 5
_BATCH_BYTES: Final = 256 * 1024
_DELIVERY_SECONDS: Final = 60


class NotPublished(SealstreamError):
    """The broker did not take every record."""


def producer_settings(bootstrap_servers: str) -> Mapping[str, Any]:
    """As `sealstream produce` sets it, so that batches in the topics are of the size that the platform sees."""
    return {
        "bootstrap.servers": bootstrap_servers,
        "acks": "all",
        "linger.ms": LINGER_MS,
        "batch.size": _BATCH_BYTES,
        "partitioner": "murmur2_random",  # what Java and aiokafka do
    }


class Publisher:
    """Sends records; `finish` says whether all of them arrived."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._producer = Producer(dict(producer_settings(bootstrap_servers)))
        self._failed: list[str] = []

    def send(self, topic: str, record: SignedRecord) -> None:
        """Queue a record; waits while the queue is full."""
        while True:
            try:
                self._producer.produce(
                    topic, record.value, record.key, headers=record.headers, on_delivery=self._delivered
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def poll(self) -> None:
        """Take the broker's answers; send nothing."""
        self._producer.poll(0)

    def finish(self) -> None:
        """Wait for the broker to have everything.

        Raises:
            NotPublished: It does not.
        """
        left = self._producer.flush(_DELIVERY_SECONDS)
        if left or self._failed:
            raise NotPublished(f"{left + len(self._failed)} records did not get to the broker: {self._failed[:1]}")

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(error.name())


async def publish(bootstrap_servers: str, topic: str, records: Iterable[SignedRecord]) -> None:
    """Publish, and return when the broker has confirmed everything.

    Raises:
        NotPublished: It did not.
    """
    try:
        await asyncio.to_thread(_publish, bootstrap_servers, topic, records)
    except KafkaException as exc:
        raise NotPublished(f"publishing to {topic} failed ({exc.args[0].name()})") from exc


def _publish(bootstrap_servers: str, topic: str, records: Iterable[SignedRecord]) -> None:
    publisher = Publisher(bootstrap_servers)
    for number, record in enumerate(records):
        publisher.send(topic, record)
        if number % 1_000 == 0:
            publisher.poll()
    publisher.finish()
