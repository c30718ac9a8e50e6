"""Prometheus metrics of what the work tells: records, frames, stages, commits, publications."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from agents.commits.observation import BatchAnswered, BatchFailed, CommitMade, FrameWatch, Observer, TurnMarks
from agents.commits.record_batch import RecordBatch
from agents.scheduling.device import Health

STAGES: Final = ("verify", "interpret", "classify", "seal")

_RECORDS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
_BYTES: Final = tuple(float(4**power) for power in range(4, 13))
_TURN_SECONDS: Final = (0.0001, 0.0003, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.25, 0.5, 1.0, 2.0)
_COMMIT_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_BATCH_SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_FRAMES: Final = (1, 2, 4, 8, 16, 32, 64)


class Metrics(Observer):
    """Counts and measures. One for each process; nothing here is done for a single record.

    Attributes:
        registry_read_at: When keys and catalogue were last as the database has them, by `clock`; None before that.
    """

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.registry_read_at: float | None = None
        self._records = Counter(
            "sealstream_records",
            "Records committed, by kind of leaf, outcome, and reason where they were refused.",
            ("kind", "outcome", "reason"),
            registry=registry,
        )
        self._frame_records = Histogram(
            "sealstream_frame_records", "Records in a frame.", buckets=_RECORDS, registry=registry
        )
        self._frame_bytes = Histogram(
            "sealstream_frame_bytes", "Payload bytes in a frame.", buckets=_BYTES, registry=registry
        )
        stages = Histogram(
            "sealstream_stage_seconds",
            "Time of one stage in one turn of the pipeline: the records of a frame, or some of those of a long one.",
            ("stage",),
            buckets=_TURN_SECONDS,
            registry=registry,
        )
        # Looking a child up costs as much as observing.
        self.stages = tuple(stages.labels(name) for name in STAGES)
        self._commit_seconds = Histogram(
            "sealstream_commit_seconds",
            "From asking the database for a commit until it is durable.",
            buckets=_COMMIT_SECONDS,
            registry=registry,
        )
        self._commit_frames = Histogram(
            "sealstream_commit_frames", "Frames that went into one commit together.", buckets=_FRAMES, registry=registry
        )
        self._commit_messages = Histogram(
            "sealstream_commit_messages", "Messages in one commit.", buckets=_RECORDS, registry=registry
        )
        self._lost = Counter(
            "sealstream_compare_and_set_lost",
            "Frames dropped and read again because somebody else had moved their partition.",
            registry=registry,
        )
        self._published = Counter("sealstream_published_leaves", "Leaves published by the relay.", registry=registry)
        self._publication_seconds = Histogram(
            "sealstream_publication_seconds",
            "From the first notice of a publication until the broker has all of them.",
            buckets=_COMMIT_SECONDS,
            registry=registry,
        )
        self._watch = _StageWatch(self)
        self._lanes = _LaneMetrics(registry)

    def frame(self, batch: RecordBatch) -> FrameWatch:
        """Measure the frame; its stages are measured turn by turn."""
        self._frame_records.observe(len(batch.records))
        self._frame_bytes.observe(sum([len(record.value or b"") for record in batch.records]))
        return self._watch

    def committed(self, commit: CommitMade) -> None:
        """Count its records, by what became of them."""
        self._commit_seconds.observe(commit.ended - commit.began)
        self._commit_frames.observe(commit.frames)
        self._commit_messages.observe(commit.messages)
        for labels, count in commit.outcomes.items():
            self._records.labels(*labels).inc(count)

    def compare_and_set_lost(self, frames: int) -> None:
        """Count lost frames."""
        self._lost.inc(frames)

    def registry_read(self) -> None:
        """Remember when."""
        self.registry_read_at = self._clock()

    def batch_answered(self, batch: BatchAnswered) -> None:
        """Count the batch, and time it."""
        self._lanes.answered(batch)

    def batch_failed(self, batch: BatchFailed) -> None:
        """Count the failure."""
        self._lanes.failures.labels(batch.device, batch.fault).inc()

    def devices(self, states: Mapping[str, str]) -> None:
        """Show their states."""
        self._lanes.show(states)

    @property
    def registry_age(self) -> float | None:
        """Seconds since keys and catalogue were last looked at; None before the first time."""
        return None if self.registry_read_at is None else self._clock() - self.registry_read_at

    @contextmanager
    def publication(self, leaves: int) -> Iterator[str | None]:
        """Measure a publication; one that fails is neither counted nor timed."""
        began = time.perf_counter()
        yield None
        self._publication_seconds.observe(time.perf_counter() - began)
        self._published.inc(leaves)


class _LaneMetrics:
    """What is counted of the work in lanes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "sealstream_batch_seconds",
            "Time of one batch of texts on a device, by device and model with its version.",
            ("device", "model"),
            buckets=_BATCH_SECONDS,
            registry=registry,
        )
        self._texts = Counter(
            "sealstream_batch_texts", "Texts answered in batches.", ("device", "model"), registry=registry
        )
        self._tokens = Counter(
            "sealstream_batch_tokens",
            "Tokens computed for texts: of the texts themselves, and padding.",
            ("model", "kind"),
            registry=registry,
        )
        self._abstained = Counter(
            "sealstream_abstentions", "Texts that a model left to a person.", ("model",), registry=registry
        )
        self.failures = Counter(
            "sealstream_device_failures",
            "Batches without an answer, by device and by whether it or its work was to blame.",
            ("device", "fault"),
            registry=registry,
        )
        self._states = Gauge(
            "sealstream_device_state",
            "1 for the state that a device is in.",
            ("device", "state"),
            registry=registry,
        )

    def answered(self, batch: BatchAnswered) -> None:
        """Once a batch: what a child costs to look up does not matter there."""
        self._seconds.labels(batch.device, batch.model).observe(batch.seconds)
        self._texts.labels(batch.device, batch.model).inc(batch.texts)
        self._tokens.labels(batch.model, "text").inc(batch.tokens)
        self._tokens.labels(batch.model, "padding").inc(max(batch.padded - batch.tokens, 0))
        self._abstained.labels(batch.model).inc(batch.abstained)

    def show(self, states: Mapping[str, str]) -> None:
        """In place of what was shown before."""
        self._states.clear()
        for device, state in states.items():
            for each in Health:
                self._states.labels(device, each.value).set(int(each.value == state))


class _StageWatch(FrameWatch):
    """The same for every frame: what it measures does not depend on which one it is."""

    __slots__ = ("_classify", "_interpret", "_seal", "_verify")

    def __init__(self, metrics: Metrics) -> None:
        self._verify, self._interpret, self._classify, self._seal = (stage.observe for stage in metrics.stages)

    def turn(self, records: int, marks: TurnMarks) -> None:
        self._verify(marks.verified - marks.began)
        self._interpret(marks.interpreted - marks.verified)
        self._classify(marks.classified - marks.interpreted)
        self._seal(marks.sealed - marks.classified)
