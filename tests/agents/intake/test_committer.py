import asyncio
from collections import Counter
from contextlib import suppress

import pytest

from agents.intake.bisection import StageFailed
from agents.intake.worker import beside
from schemas.reasons import Reason
from tests.support.installation import BANK_A, BANK_B, Installation, Worker
from tests.support.messages import Inbox, entry, statement, transaction

FIFTY = range(50)


async def outcomes(platform: Installation) -> Counter[str]:
    """What the leaves say: kind, with the reason or note where there is one."""
    return Counter(
        ":".join(filter(None, (leaf["kind"], leaf.get("reason"), leaf.get("note")))) for leaf in await platform.leaves()
    )


async def positions(platform: Installation) -> dict[tuple[str, int], int]:
    rows = await platform.rows("SELECT topic, part, max(to_offset) AS at FROM watermark_steps GROUP BY topic, part")
    return {(row["topic"], row["part"]): row["at"] for row in rows}


async def verified(platform: Installation) -> None:
    """Everything has a place and the audit finds nothing."""
    await platform.sequence()
    report = await platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]
    assert not sum(log.waiting for log in report.logs)


async def test_of_two_workers_with_the_same_partition_exactly_one_commits(platform: Installation) -> None:
    workers = [await platform.worker(), await platform.worker()]
    for number in range(8):
        inbox = Inbox(partition=number)
        BANK_A.put(inbox, *(transaction(f"p{number}-{n}") for n in range(10)))
        won = await asyncio.gather(workers[0].commit(inbox.batch(0, 10)), workers[1].commit(inbox.batch(0, 6)))
        assert sorted(map(len, won)) == [0, 1]
        kept = 10 if won[0] else 6
        assert (await positions(platform))["transactions", number] == kept
        stored = "SELECT count(*) FROM messages WHERE part = $1"
        assert await platform.one(stored, number) == kept
    await verified(platform)
    rows = await platform.rows("SELECT record_id FROM results")
    assert len(rows) == len({row["record_id"] for row in rows}) == await platform.one("SELECT count(*) FROM identities")


async def test_a_lost_frame_is_not_recorded_and_can_be_read_again(platform: Installation, worker: Worker) -> None:
    inbox, other = Inbox(), Inbox(partition=1)
    BANK_A.put(inbox, *(transaction(f"t{n}") for n in range(4)))
    BANK_A.put(other, *(transaction(f"o{n}") for n in range(3)))
    await worker.commit(inbox.batch(0, 2))
    assert await worker.commit(inbox.batch(0, 4), other.batch(0, 3)) == {("transactions", 1)}
    assert await outcomes(platform) == {"result": 5}
    assert await worker.commit(inbox.batch(2, 4)) == {("transactions", 0)}
    assert await outcomes(platform) == {"result": 7}
    await verified(platform)


@pytest.mark.parametrize("split", [True, False], ids=["across-commits", "within-one-commit"])
async def test_a_repeat_is_noted_once_and_makes_no_second_result(
    platform: Installation, worker: Worker, split: bool
) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"), transaction("b"), transaction("a"), transaction("a"))
    if split:
        for _ in range(4):
            await worker.commit(inbox.take(1))
    else:
        await worker.commit(inbox.take())
    assert await outcomes(platform) == {"result": 2, "duplicate": 2}
    assert await platform.one("SELECT count(*) FROM results") == 2
    assert await platform.one("SELECT count(*) FROM messages") == 2
    await verified(platform)


async def test_a_repeat_of_a_refused_message_is_a_duplicate_not_a_second_rejection(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, *[transaction("bad", amount="-1")] * 2)
    await worker.commit(inbox.take())
    assert await outcomes(platform) == {"rejected:schema_violation": 1, "duplicate": 1}
    await verified(platform)


@pytest.mark.parametrize("split", [True, False], ids=["across-commits", "within-one-commit"])
async def test_the_same_id_with_other_content_is_a_conflict_and_the_first_record_stays(
    platform: Installation, worker: Worker, split: bool
) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a", amount="1.00"), transaction("a", amount="2.00"), transaction("a", amount="1.00"))
    if split:
        for _ in range(3):
            await worker.commit(inbox.take(1))
    else:
        await worker.commit(inbox.take())
    assert await outcomes(platform) == {"result": 1, "rejected:conflict": 1, "duplicate": 1}
    (result,) = await platform.rows("SELECT * FROM results")
    (letter,) = await platform.rows("SELECT * FROM dead_letters")
    assert (letter["reason"], letter["kafka_offset"]) == (Reason.CONFLICT, 1)
    # The evidence of the contradiction is kept under an id of its own, in the tenant's log, above the tenant's tier 3.
    assert letter["dead_letter_id"] == letter["message_id"] != result["record_id"]
    reader = await platform.reader(4)
    shown = await reader.show_dead_letter(letter["dead_letter_id"])
    assert shown is not None
    assert '"2.00"' in (shown.value or "")
    (view,) = await reader.show(result["record_id"])
    assert view.fields["amount"].value == b"1.00"
    (leaf,) = [leaf for leaf in await platform.leaves("bank-a") if leaf["kind"] == "rejected"]
    assert leaf["signer"] == BANK_A.key_id
    assert leaf["message"] == str(letter["message_id"])
    assert "record" not in leaf, "the name belongs to the first message"
    await verified(platform)


async def test_concurrent_conflicts_and_repeats_end_as_one_result_for_each_id(platform: Installation) -> None:
    workers = [await platform.worker() for _ in range(3)]
    inboxes = [Inbox(partition=n) for n in range(3)]
    for number, inbox in enumerate(inboxes):
        names = sorted(FIFTY, key=lambda name, turn=number: hash((name * 7919) ^ turn))
        # Two of three agree on every record, the third contradicts.
        BANK_A.put(inbox, *(transaction(f"t{name}", amount="2" if number == 2 else "1") for name in names))
    await asyncio.gather(*(worker.commit(inbox.take()) for worker, inbox in zip(workers, inboxes, strict=True)))
    found = await outcomes(platform)
    assert found["result"] == len(FIFTY)
    assert found["duplicate"] + found["rejected:conflict"] == 2 * len(FIFTY)
    assert found["rejected:conflict"] in range(len(FIFTY), 2 * len(FIFTY) + 1)
    await verified(platform)


async def test_overlapping_messages_from_two_workers_never_deadlock(platform: Installation) -> None:
    workers = [await platform.worker(), await platform.worker()]
    for number in range(6):
        inboxes = [Inbox(partition=2 * number + n) for n in range(2)]
        names = [transaction(f"r{number}-{n}") for n in range(60)]
        BANK_A.put(inboxes[0], *names)
        BANK_A.put(inboxes[1], *reversed(names))
        async with asyncio.timeout(30):
            await asyncio.gather(*(each.commit(inbox.take()) for each, inbox in zip(workers, inboxes, strict=True)))
    assert await outcomes(platform) == {"result": 360, "duplicate": 360}


async def test_a_whole_feed_of_contradictions_is_refused_record_by_record(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, *(transaction(f"t{n}") for n in range(1_300)))
    await worker.commit(inbox.take())
    BANK_A.put(inbox, *(transaction(f"t{n}", amount="9") for n in range(1_300)))
    await worker.commit(inbox.take())
    assert await outcomes(platform) == {"result": 1_300, "rejected:conflict": 1_300}


async def test_an_entry_seen_again_in_another_message_is_kept_and_linked(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox("statements")
    BANK_A.put(inbox, statement("s1", [entry("R1"), entry("R2")]))
    await worker.commit(inbox.take())
    BANK_A.put(inbox, statement("s2", [entry("R2"), entry("R3")]), statement("s3", [entry("R3"), entry("R2", "99")]))
    await worker.commit(inbox.take())
    rows = await platform.rows(
        "SELECT r.*, m.kafka_offset FROM results r JOIN messages m USING (message_id) ORDER BY m.kafka_offset, r.n"
    )
    by_place = {(row["kafka_offset"], row["n"]): row for row in rows}
    linked = {place: row["linked"] for place, row in by_place.items() if row["note"] is not None}
    assert linked == {(1, 0): by_place[0, 1]["record_id"], (2, 0): by_place[1, 1]["record_id"]}
    assert {row["note"] for row in rows} == {None, "duplicate_entry"}
    notes = {leaf["record"]: leaf["linked"] for leaf in await platform.leaves() if leaf.get("note")}
    assert notes == {str(by_place[place]["record_id"]): str(first) for place, first in linked.items()}
    await verified(platform)


async def test_pending_entries_and_another_tenant_s_entries_are_no_repeats(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox("statements")
    BANK_A.put(inbox, statement("s1", [entry("R1", status="PDNG")]), statement("s2", [entry("R1", status="PDNG")]))
    BANK_A.put(inbox, statement("s3", [entry("R1")]))
    BANK_B.put(inbox, statement("s4", [entry("R1")]))
    await worker.commit(inbox.take())
    assert await platform.one("SELECT count(*) FROM results WHERE note IS NULL AND linked IS NULL") == 4


async def test_entries_of_a_contradicting_statement_claim_nothing(platform: Installation, worker: Worker) -> None:
    inbox = Inbox("statements")
    BANK_A.put(inbox, statement("s1", [entry("R1")]), statement("s1", [entry("R2")]))
    await worker.commit(inbox.take())
    BANK_A.put(inbox, statement("s2", [entry("R2")]))
    await worker.commit(inbox.take())
    assert await platform.one("SELECT count(*) FROM results WHERE note IS NOT NULL") == 0


@pytest.mark.parametrize("second", [(5, 9), (7, 9), (5, 7)], ids=["from-the-same-place", "the-next", "a-redelivery"])
async def test_two_frames_of_one_partition_at_once_never_part_records_from_progress(
    platform: Installation, worker: Worker, second: tuple[int, int]
) -> None:
    """After a rebalance a partition may come back while its old frame still waits."""
    inbox = Inbox()
    BANK_A.put(inbox, *(transaction(f"t{n}") for n in range(9)))
    await worker.commit(inbox.batch(0, 5))
    frames = await worker.process(inbox.batch(5, 7), inbox.batch(*second))
    async with beside(worker.parts.committer.run(), "group-commit"):
        await asyncio.gather(*(worker.parts.committer.submit(frame) for frame in frames))
    moved = (await positions(platform))["transactions", 0]
    assert await platform.one("SELECT max(kafka_offset) + 1 FROM messages") == moved
    assert await outcomes(platform) == {"result": moved}
    await verified(platform)


async def test_frames_that_wait_together_go_into_one_commit(platform: Installation, worker: Worker) -> None:
    inboxes = [Inbox(partition=n) for n in range(5)]
    for inbox in inboxes:
        BANK_A.put(inbox, transaction(f"p{inbox.partition}"))
    frames = await worker.process(*(inbox.take() for inbox in inboxes))
    waiting = [asyncio.create_task(worker.parts.committer.submit(frame)) for frame in frames]
    await asyncio.sleep(0)
    async with beside(worker.parts.committer.run(), "group-commit"):
        assert await asyncio.gather(*waiting) == [True] * 5
    assert await platform.one("SELECT count(*) FROM commits WHERE watermark <> ''") == 1
    await verified(platform)


async def test_who_waits_is_told_which_frame_was_lost(platform: Installation, worker: Worker) -> None:
    inboxes = [Inbox(partition=n) for n in range(2)]
    for inbox in inboxes:
        BANK_A.put(inbox, transaction(f"p{inbox.partition}"), transaction(f"q{inbox.partition}"))
    await worker.commit(inboxes[0].batch(0, 1))
    frames = await worker.process(inboxes[0].batch(0, 2), inboxes[1].batch(0, 2))
    async with beside(worker.parts.committer.run(), "group-commit"):
        told = await asyncio.gather(*(worker.parts.committer.submit(frame) for frame in frames))
    assert told == [False, True]


async def test_an_error_reaches_everybody_who_waits_and_the_next_commit_goes_on(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"))
    (frame,) = await worker.process(inbox.take())
    broken = await worker.process(inbox.batch(0, 1))
    broken[0].messages[0].items.clear()  # what no stage makes: a message with nothing to record
    async with beside(worker.parts.committer.run(), "group-commit"):
        with pytest.raises(StageFailed, match="ValueError"):
            await worker.parts.committer.submit(broken[0])
        assert await platform.one("SELECT count(*) FROM watermark_steps") == 0
        assert await worker.parts.committer.submit(frame)
    await verified(platform)


async def test_a_cancelled_waiter_does_not_stop_the_committer(platform: Installation, worker: Worker) -> None:
    inboxes = [Inbox(partition=n) for n in range(2)]
    for inbox in inboxes:
        BANK_A.put(inbox, transaction(f"p{inbox.partition}"))
    frames = await worker.process(*(inbox.take() for inbox in inboxes))
    gone = asyncio.create_task(worker.parts.committer.submit(frames[0]))
    await asyncio.sleep(0)
    gone.cancel()
    with suppress(asyncio.CancelledError):
        await gone
    async with beside(worker.parts.committer.run(), "group-commit"):
        assert await worker.parts.committer.submit(frames[1])
    await verified(platform)


async def test_a_committer_that_is_cancelled_while_a_commit_fails_ends(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"))
    (frame,) = await worker.process(inbox.take())
    begun = asyncio.Event()

    async def fail_when_cancelled(frames: object) -> set[tuple[str, int]]:
        begun.set()
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            raise ValueError  # as of a library that tidies up and raises what it failed on before

    monkeypatch.setattr(worker.parts.committer, "commit", fail_when_cancelled)
    running = asyncio.create_task(worker.parts.committer.run())
    waiting = asyncio.create_task(worker.parts.committer.submit(frame))
    await begun.wait()
    running.cancel()
    with pytest.raises(ValueError):
        await waiting
    async with asyncio.timeout(30):
        await asyncio.wait([running])
    assert running.cancelled()
