"""Watermarks that somebody moves deliberately."""

import uuid
from dataclasses import replace

import pytest

from agents.recovering.watermark import Recovery, WatermarkMoved
from schemas.errors import ConfigurationError
from streams.frames import Holding
from streams.storage.watermarks import Mark, read_positions
from tests.support.installation import BANK_A, CLUSTER, GROUP, Installation, Worker
from tests.support.messages import Inbox, transaction

PLACE = ("transactions", 0)
OLD, NEW = uuid.UUID(int=1), uuid.UUID(int=2)
REASON = "recreated by the storage team, ticket 4711"


def recovery(platform: Installation) -> Recovery:
    key = platform.identity.new_worker()
    return Recovery(
        platform.database, platform.identity, platform.knowledge, key, group=GROUP, cluster=CLUSTER, actor="ada@bank"
    )


async def read(worker: Worker, inbox: Inbox, **changes: object) -> set[tuple[str, int]]:
    return await worker.commit(replace(inbox.take(), **changes))


async def position(platform: Installation) -> tuple[int, int, Mark]:
    async with platform.database.session() as connection:
        found = (await read_positions(connection, GROUP, CLUSTER, [PLACE]))[PLACE]
    return found.era, found.offset, found.mark


async def test_a_moved_partition_is_read_again_and_repeats_are_notes(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, *(transaction(f"t{n}") for n in range(3)))
    await read(worker, inbox, topic_id=OLD)

    moved = await recovery(platform).resume(PLACE, Holding(0, 4, NEW, None), "beginning", REASON)
    assert moved == (3, 0)
    assert await position(platform) == (1, 0, Mark(NEW))

    again = Inbox()
    BANK_A.put(again, *(transaction(f"t{n}") for n in range(4)))
    assert await read(worker, again, topic_id=NEW, era=1, first_ever=False) == {PLACE}
    assert (await position(platform))[:2] == (1, 4)
    kinds = [leaf["kind"] for leaf in await platform.leaves()]
    assert sorted(kinds) == ["duplicate"] * 3 + ["recover"] + ["result"] * 4
    await platform.sequence()
    report = await platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]


async def test_the_leaf_says_what_was_moved_and_hides_who_and_why(platform: Installation, worker: Worker) -> None:
    inbox = Inbox(first=40)
    BANK_A.put(inbox, transaction("a"))
    await worker.commit(inbox.batch(0, 1, first_ever=True))
    await recovery(platform).resume(PLACE, Holding(90, 95, NEW, None), "92", REASON)
    (leaf,) = [leaf for leaf in await platform.leaves("platform") if leaf["kind"] == "recover"]
    assert leaf["span"] == {"from": 41, "partition": 0, "to": 92, "topic": "transactions"}
    assert {"actor", "purpose"} <= leaf.keys()
    assert "ada@bank" not in str(leaf)
    assert "ticket" not in str(leaf)
    stored = await platform.one("SELECT sealed FROM disclosures")
    assert b"ticket" not in stored


async def test_a_partition_that_was_never_read_can_begin_elsewhere(platform: Installation, worker: Worker) -> None:
    assert await recovery(platform).resume(PLACE, Holding(0, 100, NEW, None), "end", REASON) == (None, 100)
    assert await position(platform) == (0, 100, Mark(NEW))
    inbox = Inbox(first=100)
    BANK_A.put(inbox, transaction("a"))
    assert await worker.commit(inbox.batch(0, 1, first_ever=False)) == {PLACE}
    await platform.sequence()
    assert (await platform.audit()).ok


async def test_a_worker_that_still_reads_the_former_log_loses(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, *(transaction(f"t{n}") for n in range(4)))
    await worker.commit(inbox.take(2))
    await recovery(platform).resume(PLACE, Holding(0, 9, NEW, None), "2", REASON)
    assert await worker.commit(inbox.take(2)) == set()


@pytest.mark.parametrize("at", ["-1", "89", "96", "first", "", "9³"])
async def test_a_place_that_the_broker_does_not_hold_is_refused(platform: Installation, at: str) -> None:
    with pytest.raises(ConfigurationError, match="an offset from 90 to 95"):
        await recovery(platform).resume(PLACE, Holding(90, 95, NEW, None), at, REASON)
    assert await platform.leaves() == []


async def test_a_reason_is_required(platform: Installation) -> None:
    with pytest.raises(ConfigurationError, match="reason"):
        await recovery(platform).resume(PLACE, Holding(0, 9, NEW, None), "end", "  ")


async def test_a_worker_in_between_makes_the_move_fail(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, *(transaction(f"t{n}") for n in range(2)))
    await worker.commit(inbox.take(1))
    late = recovery(platform)
    refill = late._commit_ids.refill

    async def refill_late(needed: int) -> None:
        await worker.commit(inbox.take(1))
        await refill(needed)

    late._commit_ids.refill = refill_late  # type: ignore[method-assign]  # between looking and moving
    with pytest.raises(WatermarkMoved, match=r"transactions\[0\]"):
        await late.resume(PLACE, Holding(0, 9, NEW, None), "beginning", REASON)
    assert (await position(platform))[:2] == (0, 2)


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        pytest.param("UPDATE watermark_steps SET topic_id = NULL WHERE era = 1", "topic_id is", id="topic-id"),
        pytest.param("UPDATE watermark_steps SET last_digest = 'x' WHERE to_offset = 1", "last_digest is", id="digest"),
        pytest.param("UPDATE watermark_steps SET last_offset = 5 WHERE to_offset = 1", "last_offset is", id="offset"),
        pytest.param("UPDATE watermark_steps SET leader_epoch = 9 WHERE to_offset = 1", "leader_epoch is", id="epoch"),
        pytest.param("UPDATE watermark_steps SET era = 2 WHERE era = 1", "closed the era before", id="era"),
        pytest.param("DELETE FROM watermark_steps WHERE from_offset = to_offset", "closed the era", id="closing"),
        pytest.param("DELETE FROM watermark_steps WHERE era = 1 AND to_offset = 0", "ends at -1", id="beginning"),
        pytest.param("UPDATE disclosures SET sealed = sealed || '\\x00'", "disclosure", id="reason"),
        pytest.param("DELETE FROM disclosures", "disclosures is gone", id="no-reason"),
    ],
)
async def test_a_change_of_a_move_is_caught(platform: Installation, worker: Worker, change: str, finding: str) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, *(transaction(f"t{n}") for n in range(2)))
    await read(worker, inbox, topic_id=OLD)
    await recovery(platform).resume(PLACE, Holding(0, 4, NEW, None), "beginning", REASON)
    again = Inbox()
    BANK_A.put(again, transaction("t0"))
    await read(worker, again, topic_id=NEW, era=1, first_ever=False)
    await platform.sequence()
    assert (await platform.audit()).ok
    await platform.execute(change)
    report = await platform.audit()
    assert any(finding in str(each) for each in report.findings), [str(each) for each in report.findings]
