"""Whole frames through all stages: third-party messages, and the sums of a sample."""

import asyncio
import datetime as dt
import math
from collections import Counter
from collections.abc import Sequence

import pytest

from agents.commits.observation import TurnClock, TurnMarks
from agents.commits.outcomes import MessageOutcome
from agents.commits.record_batch import RecordBatch
from agents.intake import pipeline
from agents.intake.sealing_stage import SealingPasses
from agents.intake.setup import keep_current
from agents.intake.worker import beside
from schemas.reasons import Reason
from sealstream.audit.auditing import audit
from sealstream.feeds import Fault
from sealstream.oneshot.outcome import Outcome
from sealstream.producing.open_feed import open_feed
from sealstream.samples.feed import open_sample
from streams.health import Health
from tests.shared_data import shared
from tests.support.installation import BANK_A, BANK_B, Installation, Worker
from tests.support.messages import Inbox, transaction
from tests.support.tampering import STRANGER

FRAME = 100


async def take_all(worker: Worker, inbox: Inbox) -> None:
    while inbox.taken < len(inbox.records):
        assert await worker.commit(inbox.take(FRAME)) == {(inbox.topic, inbox.partition)}


async def test_bank_messages_of_other_people_s_projects(platform: Installation, worker: Worker) -> None:
    feed = open_feed(str(shared("data/iso20022")))
    inboxes: dict[str, Inbox] = {}
    for item in feed.items():
        inbox = inboxes.setdefault(item.topic, Inbox(item.topic))
        BANK_A.put(inbox, item)
    for inbox in inboxes.values():
        await take_all(worker, inbox)
    await platform.sequence()
    outcome = Outcome()
    report = await audit(platform.settings, observe=outcome.observe, database=platform.database)
    assert report.ok, [str(finding) for finding in report.findings]
    published = sum(len(inbox.records) for inbox in inboxes.values())
    assert outcome.messages == published
    assert outcome.results.total() == 113
    assert outcome.statements.total() == 21
    assert {reason.value: count for reason, count in outcome.rejected.items()} == {
        "schema_violation": 2,
        "unsupported_type": 233,
    }


async def test_a_sample_comes_out_as_its_maker_says(platform: Installation, worker: Worker) -> None:
    sample = open_sample("small")
    inboxes: dict[str, Inbox] = {}
    for item in sample.items():
        inbox = inboxes.setdefault(item.topic, Inbox(item.topic))
        inbox.put(item, STRANGER if item.fault is Fault.UNKNOWN_KEY else BANK_A.signer, BANK_A.source)
    for inbox in inboxes.values():
        await take_all(worker, inbox)
    await platform.sequence()
    outcome = Outcome()
    report = await audit(platform.settings, observe=outcome.observe, database=platform.database)
    assert report.ok, [str(finding) for finding in report.findings]
    assert outcome.differences(sample.expectation) == []
    assert outcome.messages == sample.expectation.messages


async def test_the_same_frame_processed_twice_commits_the_same_facts(platform: Installation) -> None:
    """A redelivery is sealed anew; what is said about the records is not anew."""
    workers = [await platform.worker(), await platform.worker()]
    inbox = Inbox()
    BANK_A.put(inbox, *(transaction(f"t{n}") for n in range(5)))
    first, second = [(await worker.process(inbox.batch(0, 5)))[0] for worker in workers]
    assert first.step == second.step
    for one, other in zip(first.messages, second.messages, strict=True):
        assert (one.message_id, one.identity) == (other.message_id, other.identity)
        assert [(item.record_id, item.outcome, item.terms) for item in one.items] == [
            (item.record_id, item.outcome, item.terms) for item in other.items
        ]
        assert one.sealed_evidence != other.sealed_evidence


async def test_others_work_between_the_stages_of_one_turn(worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"))
    rounds = 0

    async def others() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    async with beside(others(), "others"):
        await worker.parts.pipeline.run(inbox.batch(0, 1))
        assert rounds >= 3  # after verification, after inference, and after the turn


async def test_frames_of_one_turn_are_sealed_apart_and_come_out_as_they_would_alone(
    platform: Installation, worker: Worker
) -> None:
    inboxes = [Inbox(partition=number) for number in range(3)]
    for number, inbox in enumerate(inboxes):
        BANK_A.put(inbox, *(transaction(f"p{number}-{n}") for n in range(number + 1)))
    batches = [inbox.batch(0, len(inbox.records)) for inbox in inboxes]
    alone = [await worker.parts.pipeline.run(batch) for batch in batches]
    together = await worker.parts.pipeline.run_together(batches)
    assert [each.step for each in together] == [each.step for each in alone]
    for one, other in zip(together, alone, strict=True):
        assert [message.place for message in one.messages] == [message.place for message in other.messages]
        assert [message.identity for message in one.messages] == [message.identity for message in other.messages]
    passes = [{message.pass_id for message in frame.messages} for frame in together]
    assert [len(each) for each in passes] == [1, 1, 1]
    assert len(set.union(*passes)) == 3
    # Each can be committed without the others, and in any order.
    for frame in reversed(together):
        assert await worker.parts.committer.commit([frame]) == {frame.step.place}
    await platform.sequence()
    assert (await platform.audit()).ok


async def test_stages_pause_within_a_long_frame_which_stays_one_pass(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, *(transaction(f"t{n}") for n in range(7)))
    frames, rounds = [], []
    for at_once in (7, 7, 2):  # the first one has to ask for pass numbers
        monkeypatch.setattr(pipeline, "RECORDS_AT_ONCE", at_once)
        rounds.append(0)

        async def others() -> None:
            while True:
                rounds[-1] += 1
                await asyncio.sleep(0)

        async with beside(others(), "others"):
            frames.append(await worker.parts.pipeline.run(inbox.batch(0, 7)))
    assert rounds[2] == rounds[1] + 9  # three more in verification, in interpretation and in sealing
    _, whole, portions = frames
    assert len({message.pass_id for message in portions.messages}) == 1
    assert len(portions.data_keys) == len(whole.data_keys)
    assert [message.place for message in portions.messages] == [message.place for message in whole.messages]


async def test_a_turn_begins_anew_when_the_tier_keys_lapse_while_it_is_sealed(
    platform: Installation, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"))
    BANK_B.put(inbox, transaction("b"))
    monkeypatch.setattr(pipeline, "RECORDS_AT_ONCE", 1)
    sealed: list[str] = []
    seal = SealingPasses.seal

    def lapsing(self: SealingPasses, messages: Sequence[MessageOutcome]) -> None:
        seal(self, messages)
        sealed.extend(message.owner.log.tenant for message in messages)
        if len(sealed) == 1:
            worker.parts.lease.renew(platform.knowledge.tier_keys, asked_at=-math.inf)

    monkeypatch.setattr(SealingPasses, "seal", lapsing)
    async with beside(keep_current(platform.database, worker.parts, Health()), "renewal"):
        frame = await worker.parts.pipeline.run(inbox.batch(0, 2))
        assert await worker.parts.committer.commit([frame]) == {(inbox.topic, inbox.partition)}
    assert sealed == ["bank-a", "bank-a", "bank-b"]
    assert len(frame.data_keys) == len({(key.tenant, key.domain, key.tier) for key in frame.data_keys})


async def test_a_pause_is_in_no_stage_s_time() -> None:
    moments = iter([0.0, 1.0, 2.0, 52.0, 55.0, 60.0, 70.0])
    clock = TurnClock(lambda: next(moments))
    clock.mark()
    await clock.leave_out(asyncio.sleep(0))
    for _ in range(3):
        clock.mark()
    assert clock.marks() == TurnMarks(50.0, 51.0, 55.0, 60.0, 70.0)


def test_of_a_turn_s_time_a_frame_has_as_much_as_of_its_records() -> None:
    marks = TurnMarks(100.0, 104.0, 104.0, 106.0, 110.0)
    assert marks.share(1, 4) == TurnMarks(100.0, 101.0, 101.0, 101.5, 102.5)
    assert marks.share(4, 4) == marks
    assert sum(marks.share(n, 4).sealed - marks.began for n in (1, 3)) == marks.sealed - marks.began


async def test_the_step_s_digest_recognises_the_last_record_and_nothing_else(worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"), transaction("b"))

    async def digest(batch: RecordBatch) -> bytes | None:
        return (await worker.process(batch))[0].step.mark.last_digest

    whole = await digest(inbox.batch(0, 2))
    assert whole == await digest(inbox.batch(1, 2, first_ever=False))
    assert whole != await digest(inbox.batch(0, 1))
    other = Inbox()
    BANK_A.put(other, transaction("a"), transaction("b", amount="1"))
    assert whole != await digest(other.batch(0, 2))


@pytest.mark.parametrize(
    "early",
    [
        pytest.param(False, id="while-it-runs"),
        pytest.param(True, id="before-the-first-look"),
    ],
)
async def test_a_revocation_is_taken_in(platform: Installation, worker: Worker, early: bool) -> None:
    async def revoke() -> None:
        await platform.registrar().revoke(BANK_A.key_id, dt.datetime(2020, 1, 1, tzinfo=dt.UTC))

    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"))
    if early:
        await revoke()
    async with beside(keep_current(platform.database, worker.parts, Health()), "renewal"):
        await asyncio.sleep(0.3)
        if not early:
            await revoke()
        reasons = set()
        for _ in range(25):
            (frame,) = await worker.process(inbox.batch(0, 1))
            rejection = frame.messages[0].rejection
            reasons.add(rejection.reason if rejection else None)
            if Reason.KEY_REVOKED in reasons:
                break
            await asyncio.sleep(0.1)
    assert Reason.KEY_REVOKED in reasons


async def test_a_frame_may_skip_offsets(platform: Installation, worker: Worker) -> None:
    """Compacted topics and transaction markers leave gaps; the step goes over them."""
    inbox = Inbox()
    BANK_A.put(inbox, *(transaction(f"t{n}") for n in range(6)))
    batch = inbox.batch(0, 6)
    batch = RecordBatch(batch.topic, batch.partition, 0, 9, True, [batch.records[1], batch.records[4]])
    await worker.commit(batch)
    assert await platform.one("SELECT max(to_offset) FROM watermark_steps") == 9
    kinds = Counter(leaf["kind"] for leaf in await platform.leaves())
    assert kinds == {"result": 2}
    await platform.sequence()
    assert (await platform.audit()).ok
