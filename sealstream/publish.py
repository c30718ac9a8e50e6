"""Publishes a feed: signs each item, spoils it where a sample asks for that, sends it, and waits for every delivery.

What is published comes from `sealstream.feeds`; batch attestation (one signature for many records) is not made here.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
)

from schemas.errors import ConfigurationError, SealstreamError
from schemas.events import Event, binary_headers
from sealstream.feeds.fault import Fault
from sealstream.feeds.item import FeedItem
from sealstream.samples.spoiling import spoil
from security.signing import Signer
from security.verifiability import with_signature
from streams.kafka import KafkaAccess, explain, require_access

Headers = list[tuple[str, bytes]]

_LINGER_MS = 5
# A frame's worth: with aiokafka's 16 KB a message costs twice the time. Brokers take batches of 1 MB by default.
_BATCH_BYTES = 256 * 1024
_WINDOW = 10_000
_TURN = 100
_NO_OPTIONS: Mapping[str, object] = MappingProxyType({})


class PublishFailed(SealstreamError):
    """Not everything could be published.

    Attributes:
        delivered: Messages the broker has confirmed.
        unconfirmed: Messages that were sent and may or may not have arrived. Publishing the feed again is safe: what
            did arrive is then noted as a duplicate.
    """

    def __init__(self, fact: str, delivered: int, unconfirmed: int) -> None:
        super().__init__(
            f"{fact} ({delivered} messages delivered, {unconfirmed} unconfirmed; publishing again is safe)"
        )
        self.delivered = delivered
        self.unconfirmed = unconfirmed


@dataclass(frozen=True, slots=True)
class PublishReport:
    """A feed that was published completely.

    Attributes:
        messages: Messages the broker confirmed.
        bytes: Of their keys, headers and values.
        seconds: From the first message to the last confirmation, signing included.
    """

    messages: int
    bytes: int
    seconds: float


def sign_item(item: FeedItem, source: str, signer: Signer) -> tuple[Headers, bytes, bytes]:
    """Make the Kafka record of an item: a signed CloudEvent in binary mode, with the item's fault done to it.

    Args:
        item: What to publish.
        source: CloudEvents source.
        signer: The key to sign with.

    Returns:
        Headers, value and key of the record.

    Raises:
        SigningRefusedError: An attribute has no form that could be signed.
    """
    event = Event(
        id=item.id,
        source=source,
        type=item.type,
        datacontenttype=item.datacontenttype,
        time=item.time,
        data=item.data,
        extensions=dict(item.extensions),
    )
    if item.fault is not Fault.UNSIGNED:
        event = with_signature(event, signer, tuple(event.extensions))
    headers = binary_headers(event)
    value = item.data
    # An id keeps its partition, so that a repeat comes after what it repeats.
    key = item.id.encode() if item.key is None else item.key
    if item.fault is not None:
        headers, value = spoil(headers, value, item.fault)
    return headers, value, key


async def publish(
    items: Iterable[FeedItem],
    *,
    kafka: KafkaAccess,
    source: str,
    signer: Signer,
    unknown_signer: Signer | None = None,
    rate: float | None = None,
    client_options: Mapping[str, object] = _NO_OPTIONS,
) -> PublishReport:
    """Publish items in order and wait until the broker has confirmed every one of them.

    Args:
        items: What to publish; taken one by one.
        kafka: Where Kafka is and how we get in.
        source: CloudEvents source of all items.
        signer: The producer's key.
        unknown_signer: The key for items that a sample wants signed by an unknown one.
        rate: Messages a second, evenly spaced; as fast as possible when not given.
        client_options: Further options of the Kafka producer.

    Raises:
        ConfigurationError: The rate or an option is wrong.
        PublishFailed: A topic is missing, a message is too large, the broker is or goes away, an item needs an
            `unknown_signer`, or the feed itself ends in an error.
    """
    if rate is not None and not 0 < rate < math.inf:
        raise ConfigurationError("the rate is a number of messages a second above 0; leave it out for full speed")
    async with _producer(kafka, client_options) as producer:
        deliveries = _Deliveries(producer)
        started = time.perf_counter()
        try:
            for number, item in enumerate(items):
                if rate is not None:
                    await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
                elif number % _TURN == 0:
                    await asyncio.sleep(0)  # others on this loop, a worker perhaps, get their turn
                item_signer = unknown_signer if item.fault is Fault.UNKNOWN_KEY else signer
                if item_signer is None:
                    raise ConfigurationError(
                        "this sample holds messages for an unknown key; give one to sign them with"
                    )
                await deliveries.send(item.topic, *sign_item(item, source, item_signer))
            await deliveries.finish()
        except SealstreamError as exc:
            await deliveries.abandon()
            raise PublishFailed(str(exc), deliveries.delivered, deliveries.unconfirmed) from exc
        return PublishReport(deliveries.delivered, deliveries.bytes, time.perf_counter() - started)


class _DeliveryError(SealstreamError):
    """A message did not get through; becomes `PublishFailed` once the others have been waited for."""


class _Deliveries:
    """Messages on their way, in the order sent; no more than a window of them."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._topics: set[str] = set()
        self._under_way: deque[asyncio.Future[object]] = deque()
        self._sent = 0
        self.delivered = 0
        self.bytes = 0

    @property
    def unconfirmed(self) -> int:
        return self._sent - self.delivered

    async def send(self, topic: str, headers: Headers, value: bytes, key: bytes) -> None:
        if topic not in self._topics:
            await self._require_topic(topic)
        while len(self._under_way) >= _WINDOW:
            await self._confirm()
        try:
            delivery = await self._producer.send(topic, value, key=key, headers=headers)
        except MessageSizeTooLargeError:
            raise _DeliveryError(
                f"message {self._sent + 1} is larger than one request may be; raise `max_request_size` here and "
                "`max.message.bytes` of the topic"
            ) from None
        except KafkaError as exc:
            raise _DeliveryError(_fact(exc)) from exc
        self._sent += 1
        self._under_way.append(delivery)
        self.bytes += len(value) + len(key) + sum([len(name) + len(text) for name, text in headers])

    async def finish(self) -> None:
        while self._under_way:
            await self._confirm()

    async def abandon(self) -> None:
        """Wait for what is still under way, so that the counts are true."""
        results = await asyncio.gather(*self._under_way, return_exceptions=True)
        self._under_way.clear()
        self.delivered += sum(not isinstance(result, BaseException) for result in results)

    async def _confirm(self) -> None:
        try:
            await self._under_way.popleft()
        except KafkaError as exc:
            raise _DeliveryError(_fact(exc)) from exc
        self.delivered += 1

    async def _require_topic(self, topic: str) -> None:
        # Asked for by listing all of them: asking for the topic itself would create it on many brokers.
        try:
            cluster = await self._producer.client.fetch_all_metadata()
        except KafkaError as exc:
            raise _DeliveryError(_fact(exc)) from exc
        if topic not in cluster.topics(exclude_internal_topics=False):
            raise _DeliveryError(
                f"there is no topic {topic!r} that we may see; create it with `sealstream topics create`, "
                "or grant us WRITE on it"
            )
        self._topics.add(topic)


@asynccontextmanager
async def _producer(kafka: KafkaAccess, options: Mapping[str, object]) -> AsyncIterator[AIOKafkaProducer]:
    # Neither idempotence nor transactions: the embedded broker has none, and the platform notes duplicates.
    settings = {"acks": "all", "linger_ms": _LINGER_MS, "max_batch_size": _BATCH_BYTES, **options}
    try:
        producer = AIOKafkaProducer(**kafka.client_options(), **settings)
    except (TypeError, ValueError, RuntimeError) as exc:
        raise ConfigurationError(
            "the broker's address or an option for the Kafka producer has no form that the client takes"
        ) from exc
    try:
        try:
            await require_access(kafka)
            await producer.start()
        except (KafkaError, OSError, ConfigurationError) as exc:
            raise PublishFailed(str(await explain(kafka, exc)), 0, 0) from exc
        yield producer
    finally:
        await producer.stop()


def _fact(error: KafkaError | OSError) -> str:
    if isinstance(error, (KafkaConnectionError, OSError)):
        return "the broker can't be reached; check that it runs and its address"
    if isinstance(error, KafkaTimeoutError):
        return "the broker did not answer in time"
    # The library's own texts may repeat keys or values: its name for the error is enough.
    hint = "; grant us WRITE on the topic" if isinstance(error, TopicAuthorizationFailedError) else ""
    return f"the broker refused with {type(error).__name__}{hint}"
