"""Publishes a feed: has its items signed, sends them, and waits for every delivery.

What is published comes from `sealstream.feeds`; `sealstream.producing.signed_items` makes records of it.
"""

import asyncio
import itertools
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TextIO

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
)

from schemas.errors import ConfigurationError, SealstreamError
from sealstream.client import SignedRecord, Signer
from sealstream.closing_book import ClosingBook
from sealstream.feeds.fault import Fault
from sealstream.feeds.item import FeedItem
from sealstream.producing.signed_items import sign_batch, sign_item
from security.batch_statement import MAX_BATCH
from security.signing import Signer as Key
from streams.kafka import KafkaAccess, explain, require_access

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


async def publish(
    items: Iterable[FeedItem],
    *,
    kafka: KafkaAccess,
    source: str,
    signer: Key,
    cosigners: Sequence[Key] = (),
    unknown_signer: Key | None = None,
    batch: int | None = None,
    rate: float | None = None,
    closing: bool = False,
    closing_list: TextIO | None = None,
    client_options: Mapping[str, object] = _NO_OPTIONS,
) -> PublishReport:
    """Publish items in order and wait until the broker has confirmed every one of them.

    Args:
        items: What to publish; taken one by one.
        kafka: Where Kafka is and how we get in.
        source: CloudEvents source of all items.
        signer: The producer's key.
        cosigners: Further keys that sign too, where the policy of the source wants several.
        unknown_signer: The key for items that a sample wants signed by an unknown one.
        batch: Put so many items under one signature; each has its own when not given.
        rate: Messages a second, evenly spaced; as fast as possible when not given.
        closing: Publish a closing of the feed's period after it, to the topic of the last item.
        closing_list: Gets the list of what the closing counts.
        client_options: Further options of the Kafka producer.

    Raises:
        ConfigurationError: The rate, the size of a batch or an option is wrong.
        PublishFailed: A topic is missing, a message is too large, the broker is or goes away, an item needs an
            `unknown_signer`, or the feed itself ends in an error.
    """
    if rate is not None and not 0 < rate < math.inf:
        raise ConfigurationError("the rate is a number of messages a second above 0; leave it out for full speed")
    if batch is not None and not 1 <= batch <= MAX_BATCH:
        raise ConfigurationError(f"a batch holds 1 to {MAX_BATCH} messages")
    async with _producer(kafka, client_options) as producer:
        deliveries = _Deliveries(producer)
        started = time.perf_counter()
        try:
            stranger = Signer(source, unknown_signer) if unknown_signer else None
            ours = Signer(source, signer, *cosigners)
            records = (
                _closed(items, ours, stranger, batch, closing_list)
                if closing
                else _signed(items, ours, stranger, batch)
            )
            for number, (topic, signed) in enumerate(records):
                if rate is not None:
                    await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
                elif number % _TURN == 0:
                    await asyncio.sleep(0)  # others on this loop, a worker perhaps, get their turn
                await deliveries.send(topic, signed)
            await deliveries.finish()
        except SealstreamError as exc:
            await deliveries.abandon()
            raise PublishFailed(str(exc), deliveries.delivered, deliveries.unconfirmed) from exc
        return PublishReport(deliveries.delivered, deliveries.bytes, time.perf_counter() - started)


def _closed(
    items: Iterable[FeedItem], signer: Signer, stranger: Signer | None, batch: int | None, listing: TextIO | None
) -> Iterator[tuple[str, SignedRecord]]:
    """Topic and record of each item, in order, and of the closing over those that the signer signs."""
    topic = None
    with ClosingBook(signer) as book:
        for topic, record in _signed(items, signer, stranger, batch, book):
            yield topic, record
        if topic is None:
            raise ConfigurationError("the feed is empty: there is nothing to close")
        yield topic, book.close()
        if listing is not None:
            book.write_list(listing)


def _signed(
    items: Iterable[FeedItem],
    signer: Signer,
    stranger: Signer | None,
    batch: int | None,
    book: ClosingBook | None = None,
) -> Iterator[tuple[str, SignedRecord]]:
    """Topic and record of each item, in order; what the stranger signs is not the signer's to close."""
    remaining = iter(items)
    while chunk := list(itertools.islice(remaining, batch or 1)):
        strange = [item.fault is Fault.UNKNOWN_KEY for item in chunk]
        if any(strange) and stranger is None:
            raise ConfigurationError("this sample holds messages for an unknown key; give one to sign them with")
        signer_of = {False: signer} if stranger is None else {False: signer, True: stranger}
        if batch is None:
            (item,), (is_strange,) = chunk, strange
            yield item.topic, sign_item(item, signer_of[is_strange], None if is_strange else book)
            continue
        records = {}
        for each, found in signer_of.items():
            of_these = [item for item, of in zip(chunk, strange, strict=True) if of is each]
            records[each] = iter(sign_batch(of_these, found, None if each else book))
        yield from ((item.topic, next(records[of])) for item, of in zip(chunk, strange, strict=True))


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

    async def send(self, topic: str, signed: SignedRecord) -> None:
        if topic not in self._topics:
            await self._require_topic(topic)
        while len(self._under_way) >= _WINDOW:
            await self._confirm()
        try:
            delivery = await self._producer.send(topic, signed.value, key=signed.key, headers=signed.headers)
        except MessageSizeTooLargeError:
            raise _DeliveryError(
                f"message {self._sent + 1} is larger than one request may be; raise `max_request_size` here and "
                "`max.message.bytes` of the topic"
            ) from None
        except KafkaError as exc:
            raise _DeliveryError(_fact(exc)) from exc
        self._sent += 1
        self._under_way.append(delivery)
        self.bytes += len(signed.value) + len(signed.key)
        self.bytes += sum([len(name) + len(text) for name, text in signed.headers])

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
