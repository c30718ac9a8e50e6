from prometheus_client import CollectorRegistry

from agents.commits.observation import Observer
from bench.observation import cost_of
from sealstream.observe.metrics import Metrics
from tests.support.installation import BANK_A, Installation, Worker
from tests.support.messages import Inbox, transaction


async def test_what_is_timed_is_what_an_observer_is_told_in_a_frame(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, *(transaction(f"t{n}") for n in range(3)))
    batch = inbox.take()
    (outcome,) = await worker.process(batch)
    registry = CollectorRegistry()
    assert cost_of(Metrics(registry), batch, outcome) > cost_of(Observer(), batch, outcome) > 0
    frames = registry.get_sample_value("sealstream_frame_records_count")
    assert frames is not None
    for name in ("sealstream_commit_frames_sum", "sealstream_commit_seconds_count"):
        assert registry.get_sample_value(name) == frames
    assert registry.get_sample_value("sealstream_stage_seconds_count", {"stage": "seal"}) == frames
