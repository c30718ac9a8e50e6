"""Every metric that a process can export, by name and labels: what dashboards, alerts and documents may speak of."""

from collections.abc import Mapping

from faust.types import TP
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from agents.commits.observation import BatchAnswered, BatchFailed, CommitMade
from sealstream.observe.lags import Lags
from sealstream.observe.live import Live
from sealstream.observe.metrics import Metrics
from sealstream.release.metrics import ReleaseMetrics
from streams.frames.ledger import Ledger
from streams.health import Health
from streams.storage.deferring import LaneDepth
from streams.storage.progress import LogLag
from streams.storage.witnessing import WitnessState

READ, HELD = TP("transactions", 0), TP("transactions", 1)


class FakeConsumer:
    """Two partitions: one that is read and 7 records behind, one that is held."""

    def __init__(self) -> None:
        self.ledger = Ledger(1_000, 1)
        self.ledger.place(READ, 5)
        self.ledger.issue(READ, 8, 300)
        self.reader = self

    def assignment(self) -> set[TP]:
        return {READ, HELD}

    def stable_end(self, tp: TP) -> int | None:
        return 9 if tp == READ else None


def exported() -> CollectorRegistry:
    """A registry like that of a worker with all roles, and of a key release, that have done something."""
    registry, lags = (
        CollectorRegistry(),
        Lags(
            {READ: 12},
            LogLag(3, 1.5, 4),
            [WitnessState("witness.example/w", "log.example/a", "cosigned", "", 5, 0.5)],
            [LaneDepth("text.normal", 4, 90.5, 1)],
        ),
    )
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    metrics = Metrics(registry)
    metrics.registry_read()
    metrics.committed(
        CommitMade(1, 0.0, 0.5, 2, 5, {("result", "booked", ""): 4, ("rejected", "rejected", "stale"): 1})
    )
    metrics.batch_answered(BatchAnswered("cpu0", "letters@1", 3, 60, 64, 0.03, 1))
    metrics.batch_failed(BatchFailed("cpu0", "letters@1", 3, "device", 0.5))
    metrics.devices({"cpu1": "healthy"})
    metrics.devices({"cpu0": "degraded"})
    health = Health(["intake"])
    health.working("intake")
    release = ReleaseMetrics(registry, health)
    release.answered("AskRecords", "not_theirs", 0.0)
    release.asked_provider(0.1, good=True)
    consumer = FakeConsumer()
    registry.register(
        Live("all", "sealstream", health, lags, lambda: consumer, lambda: metrics.registry_age)  # type: ignore[arg-type, return-value]  # as much of a consumer as is asked
    )
    return registry


def label_names() -> Mapping[str, set[str]]:
    """Sample name to the labels that its samples have."""
    found: dict[str, set[str]] = {}
    for family in exported().collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found
