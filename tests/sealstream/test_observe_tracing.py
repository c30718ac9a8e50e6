"""Spans of frames and publications, in memory."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode

from agents.commits.observation import CommitMade, TurnMarks
from agents.commits.record_batch import RecordBatch
from sealstream.observe.tracing import MAX_LINKS, Traces, producer_links
from tests.support.installation import BANK_A
from tests.support.messages import Inbox, Record, transaction

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
SAMPLED = 1


@pytest.fixture
def memory() -> Iterator[tuple[Traces, InMemorySpanExporter]]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield Traces(provider.get_tracer("test")), exporter
    provider.shutdown()


def record(traceparent: bytes | None, number: int = 0) -> Record:
    made = BANK_A.put(Inbox(), transaction(f"t{number}"))[0]
    if traceparent is not None:
        made.headers = [*made.headers, ("ce_traceparent", traceparent)]
    return made


def named(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name.removeprefix("sealstream."): span for span in exporter.get_finished_spans()}


def test_a_frame_becomes_a_span_with_its_stages_when_it_is_committed(
    memory: tuple[Traces, InMemorySpanExporter],
) -> None:
    traces, exporter = memory
    watch = traces.frame(RecordBatch("transactions", 3, 40, 42, False, [record(PARENT.encode()), record(None, 1)]))
    watch.turn(1, TurnMarks(10.0, 10.1, 10.2, 10.3, 10.4))
    watch.turn(1, TurnMarks(11.0, 11.2, 11.3, 11.4, 11.5))
    assert named(exporter) == {}
    watch.committed(CommitMade(7, 11.6, 11.9, 2, 5, {}))
    spans = named(exporter)
    frame = spans.pop("frame")
    assert spans.keys() == {"verify", "interpret", "classify", "seal", "commit"}
    assert frame.attributes is not None
    assert frame.attributes["messaging.kafka.offset"] == 40
    assert frame.attributes["messaging.batch.message_count"] == 2
    for span in spans.values():
        assert span.parent is not None
        assert span.parent.span_id == frame.context.span_id
        assert span.start_time is not None
        assert span.end_time is not None
    verify = spans["verify"]
    assert verify.attributes is not None
    assert verify.attributes["sealstream.busy_seconds"] == pytest.approx(0.3)
    assert verify.end_time - verify.start_time == pytest.approx(1.2e9, rel=1e-6)  # type: ignore[operator]
    assert spans["commit"].end_time == frame.end_time
    assert dict(spans["commit"].attributes or {})["sealstream.commit"] == 7
    assert [(link.context.trace_id, link.context.span_id) for link in frame.links] == [(int(TRACE, 16), int(SPAN, 16))]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"nonsense", id="no-traceparent"),
        pytest.param(PARENT.encode()[:-1], id="cut-off"),
        pytest.param(f"00-{'0' * 32}-{SPAN}-01".encode(), id="no-trace"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01".encode(), id="no-span"),
        pytest.param(f"ff-{TRACE}-{SPAN}-01".encode(), id="a-version-that-cannot-be"),
        pytest.param(f"00-{TRACE.upper()}-{SPAN}-01-more".encode(), id="more-than-its-version-has"),
        pytest.param(b"\xff\xfe", id="no-text"),
        pytest.param(PARENT.encode() * 1000, id="endless"),
        pytest.param(None, id="none"),
    ],
)
def test_a_traceparent_that_is_none_is_passed_over(text: bytes | None) -> None:
    assert producer_links([record(text)]) == []


def test_two_of_them_in_one_record_are_not_believed() -> None:
    made = record(PARENT.encode())
    made.headers = [*made.headers, ("ce_traceparent", PARENT.encode())]
    assert producer_links([made]) == []


def test_a_structured_event_s_traceparent_counts_too() -> None:
    text = f'{{"specversion":"1.0","id":"1","source":"s","type":"t","traceparent":"{PARENT}"}}'
    structured = Record("t", 0, 0, [("content-type", b"application/cloudevents+json")], text.encode())
    assert len(producer_links([structured])) == 1


@pytest.mark.parametrize("count", [1, MAX_LINKS - 1, MAX_LINKS, MAX_LINKS + 1, 500])
def test_of_many_records_a_sample_from_the_whole_frame_is_linked(count: int) -> None:
    records = [record(f"00-{number + 1:032x}-{SPAN}-01".encode(), number) for number in range(count)]
    links = [link.context.trace_id - 1 for link in producer_links(records)]
    assert len(links) == min(count, MAX_LINKS)
    assert links == sorted(links)
    assert count < 2 * MAX_LINKS or links[-1] >= count * 3 // 4


def test_a_publication_gives_its_context_to_the_notices(memory: tuple[Traces, InMemorySpanExporter]) -> None:
    traces, exporter = memory
    with traces.publication(9) as traceparent:
        pass
    span = named(exporter)["publish"]
    assert traceparent is not None
    assert traceparent[:-2] == f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-"
    assert int(traceparent[-2:], 16) & SAMPLED
    assert span.attributes is not None
    assert span.attributes["messaging.batch.message_count"] == 9


def test_a_failed_publication_is_an_error_without_the_text(memory: tuple[Traces, InMemorySpanExporter]) -> None:
    traces, exporter = memory
    with pytest.raises(ValueError), traces.publication(1):
        raise ValueError("what was to be published")
    span = named(exporter)["publish"]
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError")
    assert span.events == ()


def test_what_is_not_sampled_makes_one_span_and_no_children() -> None:
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    traces = Traces(provider.get_tracer("test"))
    watch = traces.frame(RecordBatch("t", 0, 0, 1, True, [record(None)]))
    watch.turn(1, TurnMarks(1, 2, 3, 4, 5))
    watch.committed(CommitMade(1, 5, 6, 1, 1, {}))
    with traces.publication(1) as traceparent:
        assert traceparent is not None
        assert not int(traceparent[-2:], 16) & SAMPLED
    assert exporter.get_finished_spans() == ()
