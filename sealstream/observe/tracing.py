"""Traces of frames, batches and publications, made of what is told. Needs the extra otel; `exporting` sends them.

A frame's span has its stages and its commit below it and links to what producers were doing. A publication's context
goes out with the notices, so that subscribers can join it.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from agents.commits.observation import BatchAnswered, BatchFailed, CommitMade, FrameWatch, Observer, TurnMarks
from agents.commits.record_batch import RawRecord, RecordBatch
from schemas.errors import Rejection
from schemas.events import decode_event
from sealstream.observe.metrics import STAGES

TRACEPARENT: Final = "traceparent"
MAX_LINKS: Final = 8
"""Records of a frame whose producers' contexts are looked at: a sample, for a frame may have thousands."""

_W3C: Final = TraceContextTextMapPropagator()


class Traces(Observer):
    """Makes spans of what the work tells, after the fact: nothing is made while a frame is being processed."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def frame(self, batch: RecordBatch) -> FrameWatch:
        """Remember what a span will need; a frame that is never committed leaves none."""
        return _TracedFrame(self._tracer, batch)

    def batch_answered(self, batch: BatchAnswered) -> None:
        """A span over the time that the device took."""
        attributes = {"sealstream.batch.tokens": batch.tokens, "sealstream.batch.padded_tokens": batch.padded}
        self._batch(batch, attributes).end()

    def batch_failed(self, batch: BatchFailed) -> None:
        """The same, with the fault as its status."""
        span = self._batch(batch, {"sealstream.batch.fault": batch.fault})
        span.set_status(Status(StatusCode.ERROR, batch.fault))
        span.end()

    def _batch(self, batch: BatchAnswered | BatchFailed, attributes: Mapping[str, str | int]) -> Span:
        # A lane's message says nothing but a record's name, so that producers' contexts come out of the records.
        links = [link for text in batch.traceparents[:MAX_LINKS] if (link := _link(text)) is not None]
        return self._tracer.start_span(
            "sealstream.batch",
            context=Context(),
            attributes={
                "sealstream.device": batch.device,
                "sealstream.model": batch.model,
                "sealstream.batch.texts": batch.texts,
                **attributes,
            },
            links=links,
            start_time=time.time_ns() - int(batch.seconds * 1e9),
        )

    @contextmanager
    def publication(self, leaves: int) -> Iterator[str | None]:
        """A span around a publication; subscribers join it by the `traceparent` of each notice."""
        attributes: dict[str, str | int] = {"messaging.system": "kafka", "messaging.batch.message_count": leaves}
        with self._tracer.start_as_current_span(
            "sealstream.publish",
            context=Context(),
            kind=SpanKind.PRODUCER,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            carrier: dict[str, str] = {}
            _W3C.inject(carrier)
            try:
                yield carrier.get(TRACEPARENT)
            except BaseException as exc:
                # Its text may quote what was published.
                span.set_status(Status(StatusCode.ERROR, type(exc).__name__))
                raise


class _TracedFrame(FrameWatch):
    __slots__ = ("_attributes", "_began", "_busy", "_ended", "_links", "_stages_began", "_tracer")

    def __init__(self, tracer: Tracer, batch: RecordBatch) -> None:
        self._tracer = tracer
        self._attributes: dict[str, str | int] = {
            "messaging.system": "kafka",
            "messaging.destination.name": batch.topic,
            "messaging.destination.partition.id": str(batch.partition),
            "messaging.kafka.offset": batch.first,
            "messaging.batch.message_count": len(batch.records),
        }
        self._links = producer_links(batch.records)
        self._began = time.perf_counter()
        self._stages_began = [0.0] * len(STAGES)
        self._ended = [0.0] * len(STAGES)
        self._busy = [0.0] * len(STAGES)

    def turn(self, records: int, marks: TurnMarks) -> None:
        for stage in range(len(STAGES)):
            began, ended = marks[stage], marks[stage + 1]
            if not self._ended[stage]:
                self._stages_began[stage] = began
            self._ended[stage] = ended
            self._busy[stage] += ended - began

    def committed(self, commit: CommitMade) -> None:
        # Spans want the time since 1970; the work is timed by a clock that nobody sets.
        origin = time.time_ns() - time.perf_counter_ns()
        span = self._tracer.start_span(
            "sealstream.frame",
            context=Context(),
            kind=SpanKind.CONSUMER,
            attributes=self._attributes,
            links=self._links,
            start_time=_at(origin, self._began),
        )
        if span.is_recording():
            within = trace.set_span_in_context(span, Context())
            for number, name in enumerate(STAGES):
                # A stage of one turn waits while those of others work: from its first to its last, and how long of it.
                self._child(
                    f"sealstream.{name}",
                    within,
                    _at(origin, self._stages_began[number]),
                    _at(origin, self._ended[number]),
                    {"sealstream.busy_seconds": self._busy[number]},
                )
            made = {
                "sealstream.commit": commit.commit_id,
                "sealstream.commit.frames": commit.frames,
                "sealstream.commit.messages": commit.messages,
            }
            self._child("sealstream.commit", within, _at(origin, commit.began), _at(origin, commit.ended), made)
        span.end(_at(origin, commit.ended))

    def _child(self, name: str, within: Context, began: int, ended: int, attributes: Mapping[str, int | float]) -> None:
        self._tracer.start_span(name, context=within, attributes=attributes, start_time=began).end(ended)


def producer_links(records: Sequence[RawRecord]) -> list[Link]:
    """Links to the contexts in which some of these records were made, by their unsigned `traceparent`.

    Anybody may have written it: it is only ever shown. What is not one is passed over.
    """
    step = max(1, len(records) // MAX_LINKS)
    links = []
    for record in records[: MAX_LINKS * step : step]:
        try:
            text = decode_event(record.headers, record.value).extensions.get(TRACEPARENT)
        except Rejection:
            continue
        if isinstance(text, str) and (link := _link(text)) is not None:
            links.append(link)
    return links


def _link(traceparent: str) -> Link | None:
    found = trace.get_current_span(_W3C.extract({TRACEPARENT: traceparent}, Context())).get_span_context()
    return Link(found) if found.is_valid else None


def _at(origin_ns: int, moment: float) -> int:
    return origin_ns + int(moment * 1e9)
