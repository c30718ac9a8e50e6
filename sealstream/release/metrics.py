"""What a key release shows of itself: requests and what became of them, its keys, and how the key provider answers."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from agents.release import KeysWatch
from streams.health import Health

KEYS: Final = "keys"
ANSWERED: Final = "answered"

_SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class ReleaseMetrics(KeysWatch):
    """Counts and measures, and says whether the process is ready: it is while it has keys that serve.

    Args:
        registry: None where nobody asks.
    """

    def __init__(self, registry: CollectorRegistry | None, health: Health) -> None:
        self._health = health
        self._requests = Counter(
            "sealstream_release_requests",
            "Requests answered, by kind and by what became of them: `answered`, or the code of the refusal.",
            ("request", "outcome"),
            registry=registry,
        )
        self._seconds = Histogram(
            "sealstream_release_seconds",
            "From reading a request to its answer.",
            ("request",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._in_work = Gauge(
            "sealstream_release_in_work", "Requests that are read and not answered yet.", registry=registry
        )
        self._provider = Histogram(
            "sealstream_release_provider_seconds",
            "Time of reading the registry and having its keys opened by the provider.",
            ("outcome",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._keys = Gauge("sealstream_release_tier_keys", "Tier keys that are held open.", registry=registry)
        self._left = Gauge(
            "sealstream_release_keys_left_seconds",
            "How long those serve still without the key provider.",
            registry=registry,
        )

    @contextmanager
    def request(self) -> Iterator[None]:
        """A request is in work while the body runs."""
        with self._in_work.track_inprogress():
            yield

    def answered(self, request: str, outcome: str, began: float) -> None:
        """A request has its answer.

        Args:
            began: By `time.perf_counter`.
        """
        self._requests.labels(request, outcome).inc()
        self._seconds.labels(request).observe(time.perf_counter() - began)

    def asked_provider(self, seconds: float, *, good: bool) -> None:
        """Time it."""
        self._provider.labels("good" if good else "failed").observe(seconds)

    def serving(self, keys: int, left: float) -> None:
        """It is ready."""
        self._keys.set(keys)
        self._left.set(left)
        self._health.working(KEYS)

    def waiting(self, why: str, keys: int, left: float) -> None:
        """It is not: whoever asks is told that what it needs is away."""
        self._keys.set(keys)
        self._left.set(left)
        self._health.waiting(KEYS, why)
