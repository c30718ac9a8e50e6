"""The private attributes of aiokafka this package touches, and nothing else.

``tests/streams/test_frames_internals.py`` fails when a new aiokafka renames one; a consumer then refuses to start
instead of reading slowly or missing a rebalance.
"""

import time

from aiokafka import AIOKafkaConsumer

from schemas.errors import ConfigurationError


def fetch_beside_held_partitions(kafka: AIOKafkaConsumer) -> None:
    """Let a started consumer fetch other partitions while fetched records of one are held back.

    By default it waits 100 ms for them to be taken, which is the latency that one busy partition would cost all others
    on its broker. No constructor argument sets it.
    """
    fetcher = kafka._fetcher
    if not hasattr(fetcher, "_prefetch_backoff"):
        raise ConfigurationError("this aiokafka has no Fetcher._prefetch_backoff; install the locked version")
    fetcher._prefetch_backoff = 0.0


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
