"""The private attributes of aiokafka this package touches, and nothing else.

``tests/streams/test_frames_internals.py`` fails when a new aiokafka renames one; a consumer then refuses to start
instead of reading slowly or missing a rebalance.
"""

import asyncio
import time
from types import FunctionType, MethodType

from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import Fetcher

from schemas.errors import ConfigurationError
from streams.frames.batches import GuardedPartition, GuardedRecords


def fetch_beside_held_partitions(kafka: AIOKafkaConsumer, after_seconds: float) -> None:
    """Let a started consumer fetch other partitions while fetched records of one are held back.

    By default it waits 100 ms for them to be taken, which is the latency that one busy partition would cost all others
    on its broker. No constructor argument sets it.

    Args:
        after_seconds: How long it waits instead.
    """
    fetcher = kafka._fetcher
    if not hasattr(fetcher, "_prefetch_backoff"):
        raise ConfigurationError("this aiokafka has no Fetcher._prefetch_backoff; install the locked version")
    fetcher._prefetch_backoff = after_seconds


def unpack_guarded(kafka: AIOKafkaConsumer) -> None:
    """Let a started consumer go on after batches that can't be unpacked; other consumers of the process don't.

    It unpacks with two classes that it looks up in its module, in one method: here this consumer gets that method with
    ours in their place.
    """
    method = Fetcher._proc_fetch_request
    ours = {"MemoryRecords": GuardedRecords, "PartitionRecords": GuardedPartition}
    if not ours.keys() <= set(method.__code__.co_names) or "_proc_fetch_request" in vars(kafka._fetcher):
        raise ConfigurationError("this aiokafka unpacks batches in another way; install the locked version")
    with_ours = FunctionType(method.__code__, {**method.__globals__, **ours}, method.__name__, method.__defaults__)
    kafka._fetcher._proc_fetch_request = MethodType(with_ours, kafka._fetcher)


def client_of(kafka: AIOKafkaConsumer) -> AIOKafkaClient:
    """The connections of a started consumer, for requests that it doesn't make itself."""
    if not isinstance(getattr(kafka, "_client", None), AIOKafkaClient):
        raise ConfigurationError("this aiokafka has no AIOKafkaConsumer._client; install the locked version")
    return kafka._client


def next_fetch(kafka: AIOKafkaConsumer) -> asyncio.Future[None]:
    """Done as soon as a started consumer has fetched something, or can't any more: what its ``getmany`` waits for.

    To wait for it oneself is half the work, and it can be ended by whoever holds it.
    """
    make = getattr(kafka._fetcher, "_create_fetch_waiter", None)
    if make is None:
        raise ConfigurationError("this aiokafka has no Fetcher._create_fetch_waiter; install the locked version")
    waiter: asyncio.Future[None] = make()
    return waiter


def end_fetches(kafka: AIOKafkaConsumer) -> None:
    """Tell a consumer that no ``getmany`` is under way, after one was cancelled.

    It counts them to see how long nobody asked for records (``max_poll_interval_ms``), and forgets to count down when
    one is cancelled: a member whose agents are stuck would never give its partitions up.
    """
    subscription = kafka._subscription
    if not (hasattr(subscription, "_fetch_count") and hasattr(subscription, "_last_fetch_ended")):
        raise ConfigurationError("this aiokafka has no SubscriptionState._fetch_count; install the locked version")
    if subscription._fetch_count:
        subscription._fetch_count = 0
        subscription._last_fetch_ended = time.monotonic()


def group_generation(kafka: AIOKafkaConsumer) -> int:
    """The generation of the consumer group that the member is in; Faust drops messages of any other."""
    try:
        return int(kafka._coordinator.generation)
    except AttributeError as exc:
        raise ConfigurationError(
            "this aiokafka has no GroupCoordinator.generation; install the locked version"
        ) from exc
