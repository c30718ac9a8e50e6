"""Spans of batches of an infer worker, as a collector gets them."""

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from sealstream.observe.exporting import exporting
from tests.support.collector import Collector
from tests.support.documents import document
from tests.support.installation import BANK_A, Installation
from tests.support.lanes import Scripted, die, lane_platform
from tests.support.messages import Inbox

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADERS = (f"00-{TRACE}-{SPAN}-01", "nonsense", "0" * 200, None)
"""Of four records: one that can be joined, two that are none, and nothing."""


def attributes(span: Span) -> dict[str, str | int]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


async def test_a_batch_is_a_span_that_links_to_what_producers_were_doing(platform: Installation) -> None:
    lanes = await lane_platform(platform)
    inbox = Inbox("documents")
    for number, text in enumerate(HEADERS):
        (record,) = BANK_A.put(inbox, document(f"d{number}", f"I ask for number {number}"))
        if text is not None:
            record.headers = [*record.headers, ("ce_traceparent", text.encode())]
    assert await lanes.intake.commit(inbox.take())
    await lanes.publish()
    async with Collector() as collector:
        async with (
            exporting(collector.endpoint, "infer", "test") as traces,
            lanes.running(Scripted("d0", die), Scripted("d1"), observer=traces),
        ):
            assert await lanes.until_ended() == {"done": len(HEADERS)}
        spans = collector.named("sealstream.batch")
    failed = [span for span in spans if span.status.code == Status.STATUS_CODE_ERROR]
    answered = [span for span in spans if span not in failed]
    assert failed
    assert {(attributes(span)["sealstream.device"], span.status.message) for span in failed} == {("d0", "device")}
    assert {attributes(span)["sealstream.device"] for span in answered} == {"d1"}
    for model in ("letters@1", "ibans@1"):
        mine = [span for span in answered if attributes(span)["sealstream.model"] == model]
        assert sum(int(attributes(span)["sealstream.batch.texts"]) for span in mine) == len(HEADERS)
        links = [(link.trace_id.hex(), link.span_id.hex()) for span in mine for link in span.links]
        assert links == [(TRACE, SPAN)]
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in spans)
