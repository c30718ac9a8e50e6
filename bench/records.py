"""The records that every variant gets: signed once, published to as many topics as there are sizes."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaProducer

from sealstream.feeds import TRANSACTION_TYPE, open_feed
from sealstream.publish import Headers, sign_item
from security.signing import Signer

SOURCE: Final = "urn:sealstream:bench"
UNDER_WAY: Final = 5_000


@dataclass(frozen=True, slots=True)
class SignedRecord:
    """A record as it goes to Kafka."""

    headers: Headers
    value: bytes
    key: bytes


def make_records(count: int, signer: Signer) -> list[SignedRecord]:
    """The transactions of the sample `clean-<count>`, each with an Ed25519 signature of its own.

    The sample's statements are left out: a statement is one message with many records, and is signed once.
    """
    return [
        SignedRecord(*sign_item(item, SOURCE, signer))
        for item in open_feed(f"sample:clean-{count}").items()
        if item.type == TRANSACTION_TYPE
    ]


async def publish(bootstrap_servers: str, topic: str, records: Sequence[SignedRecord]) -> None:
    """Publish as fast as possible; done when the broker has confirmed everything."""
    async with _producer(bootstrap_servers) as producer:
        for start in range(0, len(records), UNDER_WAY):
            sent = [
                await producer.send(topic, record.value, key=record.key, headers=record.headers)
                for record in records[start : start + UNDER_WAY]
            ]
            await asyncio.gather(*sent)


async def publish_paced(bootstrap_servers: str, topic: str, records: Sequence[SignedRecord], rate: float) -> float:
    """Publish evenly spaced; returns the messages a second that came of it."""
    async with _producer(bootstrap_servers) as producer:
        sent = []
        started = time.perf_counter()
        for number, record in enumerate(records):
            wait = started + number / rate - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            sent.append(await producer.send(topic, record.value, key=record.key, headers=record.headers))
        await asyncio.gather(*sent)
        return len(records) / (time.perf_counter() - started)


@asynccontextmanager
async def _producer(bootstrap_servers: str) -> AsyncIterator[AIOKafkaProducer]:
    # As `sealstream produce` sets it, so that batches in the topics are of the size that the platform sees.
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all", linger_ms=5, max_batch_size=256 * 1024)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()
