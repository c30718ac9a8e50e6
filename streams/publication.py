"""Publishing notices with the relay's position: in one Kafka transaction where the broker has those.

With transactions, a subscriber that reads committed messages sees every notice once, whatever dies when. Without them
it sees each at least once, in order, and tells repeats by `seallog` and `sealindex`.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    InvalidProducerEpoch,
    KafkaError,
    ProducerFenced,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnknownError,
    UnsupportedVersionError,
)

from schemas.errors import ConfigurationError
from streams.kafka import KafkaAccess, explain
from streams.notices import MAX_BATCH_BYTES, Message, Publishable, PublishFailed, send_all
from streams.positions import Positions, encode_position, read_positions
from streams.probe import Probe, no_probe
from streams.producers import stop
from streams.storage.relaying import RelayPosition
from streams.storage.sequencing import Fenced

log = structlog.get_logger(__name__)

TRANSACTION_TIMEOUT_MS: Final = 60_000
"""A killed relay's transaction holds back subscribers until its successor begins, at most so long."""

PUBLISH_SECONDS: Final = 30.0
"""Well below the transaction's timeout: the broker then never ends a transaction that we still work on."""

START_SECONDS: Final = 30.0
REQUEST_TIMEOUT_MS: Final = 10_000
NO_TRANSACTIONS: Final = (IncompatibleBrokerVersion, UnsupportedVersionError, UnknownError)
"""What brokers answer that have none: some list the request among those they know, and fail it."""


class Superseded(Fenced):
    """Another relay has taken over; this one's transaction was undone and it must stop."""


class KafkaPublication:
    """Publishes through one producer. `open_publication` makes it."""

    def __init__(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        found: Positions,
        *,
        exactly_once: bool,
        probe: Probe = no_probe,
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._probe = probe
        self.exactly_once = exactly_once
        self.positions = found.logs

    async def publish(self, notices: Sequence[Publishable], after: Mapping[str, RelayPosition]) -> None:
        """Publish notices and the positions after them, all or nothing where the broker has transactions."""
        marks = [
            Message(self._topic, origin.encode(), encode_position(at, atomic=self.exactly_once))
            for origin, at in after.items()
        ]
        with _translated():
            async with asyncio.timeout(PUBLISH_SECONDS):
                if self.exactly_once:
                    await self._in_transaction(notices, marks)
                else:
                    await send_all(self._producer, notices)
                    self._probe("sent")
                    await send_all(self._producer, marks)
        self._probe("committed")

    async def _in_transaction(self, notices: Sequence[Publishable], marks: Sequence[Message]) -> None:
        """A failure leaves the transaction open: the next relay's start undoes it, whether or not we could."""
        await self._producer.begin_transaction()
        self._probe("begun")
        sending = asyncio.ensure_future(send_all(self._producer, [*notices, *marks]))
        await asyncio.sleep(0)
        self._probe("sending")
        await sending
        self._probe("sent")
        await self._producer.commit_transaction()


@asynccontextmanager
async def open_publication(
    kafka: KafkaAccess, transactional_id: str, positions_topic: str, prefix: str, *, probe: Probe = no_probe
) -> AsyncIterator[KafkaPublication]:
    """Open a publication: fence whoever published before, then read the positions.

    Args:
        transactional_id: The same for every relay of these logs.
        prefix: What the origins of these logs begin with.

    Raises:
        PublishFailed: The broker can't be reached now.
        ConfigurationError: It does not let us; or it has no transactions and positions were written in some.
    """
    producer = await _start_transactional(kafka, transactional_id)
    exactly_once = producer is not None
    if producer is None:
        producer = _producer(kafka)
        await _start(kafka, producer)
    try:
        # Only now: what a former owner had under way is committed or undone, and it can begin nothing new.
        found = await read_positions(kafka, positions_topic, prefix)
        if found.atomic and not exactly_once:
            raise PublishFailed("the broker had transactions and refuses them now; not going on without them")
        log.info("relay.publication_opened", exactly_once=exactly_once, logs=len(found.logs))
        yield KafkaPublication(producer, positions_topic, found, exactly_once=exactly_once, probe=probe)
    finally:
        await stop(producer)


async def has_transactions(kafka: KafkaAccess, transactional_id: str) -> bool:
    """Whether the broker has transactions, by trying, under a name that no relay uses: it would be fenced.

    Raises:
        PublishFailed: The broker can't be reached now.
    """
    producer = await _start_transactional(kafka, transactional_id)
    if producer is None:
        return False
    await stop(producer)
    return True


async def _start_transactional(kafka: KafkaAccess, transactional_id: str) -> AIOKafkaProducer | None:
    """A started producer with transactions; None where the broker has none."""
    producer = _producer(kafka, transactional_id=transactional_id, transaction_timeout_ms=TRANSACTION_TIMEOUT_MS)
    try:
        await _start(kafka, producer)
    except NO_TRANSACTIONS:
        return None
    return producer


def _producer(kafka: KafkaAccess, **options: Any) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        **kafka.client_options(),
        acks="all",
        linger_ms=0,
        max_batch_size=MAX_BATCH_BYTES,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        **options,
    )


async def _start(kafka: KafkaAccess, producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(START_SECONDS):
            await producer.start()
    except BaseException as exc:
        await stop(producer)
        if isinstance(exc, TransactionalIdAuthorizationFailed):
            raise _not_allowed(exc) from exc
        if isinstance(exc, KafkaError | OSError) and not isinstance(exc, NO_TRANSACTIONS):
            raise PublishFailed(str(await explain(kafka, exc))) from exc
        raise


def _not_allowed(error: BaseException) -> ConfigurationError:
    return ConfigurationError(
        f"the broker does not let the relay publish ({type(error).__name__}); grant its user WRITE on the outgoing "
        "topics, on the position topic and on its transactional id (docs/deployment.md)"
    )


@contextmanager
def _translated() -> Iterator[None]:
    """Turn aiokafka's errors into ours."""
    try:
        yield
    except (ProducerFenced, InvalidProducerEpoch) as exc:
        raise Superseded("another relay has taken over; stopping") from exc
    except (TransactionalIdAuthorizationFailed, TopicAuthorizationFailedError) as exc:
        raise _not_allowed(exc) from exc
    except (KafkaError, OSError, AssertionError) as exc:  # aiokafka asserts its states; a failed producer is given up
        raise PublishFailed(f"the broker did not take the notices ({type(exc).__name__})") from exc
