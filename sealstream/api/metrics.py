"""What the API counts: requests by route and status, how long they took, what was refused for its rate."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

METHODS: Final = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"})
UNMATCHED: Final = "unmatched"


class ApiMetrics:
    """The metrics of one process. Labels are routes, never paths: their number is ours."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "sealstream_api_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "sealstream_api_seconds",
            "From a request's head to the end of its answer",
            ["route"],
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
            registry=self.registry,
        )
        self.limited = Counter(
            "sealstream_api_limited", "Requests refused for their rate", ["by"], registry=self.registry
        )
        self.classified = Counter(
            "sealstream_api_classified", "Transactions classified for a caller", ["model"], registry=self.registry
        )

    def answered(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """A request was answered."""
        place = route or UNMATCHED
        self._requests.labels(method if method in METHODS else "other", place, str(status)).inc()
        self._seconds.labels(place).observe(seconds)
