"""The two private attributes of aiokafka this package touches, and nothing else.

``tests/streams/test_frames_internals.py`` fails when a new aiokafka renames one; a running consumer then raises
``ConfigurationError`` instead of reading slowly or acking for the wrong generation.
"""

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


def group_generation(kafka: AIOKafkaConsumer) -> int:
    """The generation of the consumer group that the member is in; Faust drops messages of any other."""
    try:
        return int(kafka._coordinator.generation)
    except AttributeError as exc:
        raise ConfigurationError(
            "this aiokafka has no GroupCoordinator.generation; install the locked version"
        ) from exc
