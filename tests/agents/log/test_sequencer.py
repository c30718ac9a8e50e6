import asyncio
import datetime as dt
import random
from collections.abc import Sequence

import asyncpg
import pytest

from agents.commits.leaves import LeafBatch
from agents.log.publication_check import BehindPublication
from agents.log.sequencer import COMMITS_PER_STEP, Sequencer
from security.commit_signature import WorkerKey
from security.tiles import TILE_WIDTH
from streams.storage.commit import CommitStore
from streams.storage.commit_rows import CommitRows
from streams.storage.database import Connection
from streams.storage.relaying import RelayPosition
from streams.storage.sequencing import Fenced
from streams.storage.snapshots import current_snapshot
from tests.support.commits import certified, leaf, leaf_rows, open_log, put_leaves, request
from tests.support.grown_log import check_log
from tests.support.installation import Installation

A_SECOND = dt.timedelta(seconds=1)
NOW = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
async def _empty_logs(platform: Installation) -> None:
    """What is placed or published is counted here, and commits are numbered by hand."""
    await platform.empty_logs()


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> dt.datetime:
        return self.now


async def step_all(platform: Installation, sequencer: Sequencer) -> int:
    placed = 0
    async with platform.database.session() as connection:
        while now := await sequencer.step(connection):
            placed += now
    return placed


@pytest.mark.parametrize("seed", range(4))
async def test_places_tiles_and_checkpoints_are_those_of_the_leaves_however_often_it_restarts(
    platform: Installation, seed: int
) -> None:
    rng = random.Random(seed)
    worker = await certified(platform.database, platform.identity)
    store = CommitStore(platform.database, group="g", cluster="c")
    log = platform.knowledge.owners["bank-a", "payments"].log
    sequencer = platform.sequencer()
    # Around the width of a tile and of a tile's tile is where right edges go wrong.
    counts = [rng.choice((1, 2, 7, 255, 256, 257, 300, 511)) for _ in range(12)]
    for number, count in enumerate(counts, start=1):
        await put_leaves(store, worker, number, log, count)
        if rng.random() < 0.7:
            await step_all(platform, sequencer)
        if rng.random() < 0.4:
            sequencer = platform.sequencer()
    await step_all(platform, platform.sequencer())
    assert await check_log(platform, "bank-a") == sum(counts)
    report = await platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]


async def test_a_log_of_more_than_a_tile_of_tiles_survives_a_restart(platform: Installation) -> None:
    worker = await certified(platform.database, platform.identity)
    store = CommitStore(platform.database, group="g", cluster="c")
    log = platform.knowledge.owners["bank-a", "payments"].log
    size = TILE_WIDTH * TILE_WIDTH + 700
    batch = LeafBatch(1, worker)
    for number in range(size):
        batch.add(log, leaf(1, number))
    await store.commit(
        request(1, finish=lambda _: CommitRows(commits=batch.commit_rows(), bundles=batch.bundle_rows()))
    )
    await platform.sequence()
    for number in range(2, 5):
        await put_leaves(store, worker, number, log, 300)
        await step_all(platform, platform.sequencer())
    assert await check_log(platform, "bank-a") == size + 900
    assert await platform.one("SELECT count(*) FROM tiles WHERE level = 1") == 1


async def test_more_commits_than_one_step_takes_are_all_placed(platform: Installation) -> None:
    worker = await certified(platform.database, platform.identity)
    store = CommitStore(platform.database, group="g", cluster="c")
    log = platform.knowledge.owners["bank-a", "payments"].log
    count = 2 * COMMITS_PER_STEP + 3
    rows = [leaf_rows(worker, number, [(log, 1)]) for number in range(1, count + 1)]
    for start in range(0, count, 200):
        some = rows[start : start + 200]
        made = CommitRows(
            commits=[row for each in some for row in each.commits],
            bundles=[row for each in some for row in each.bundles],
        )
        await store.commit(request(1, finish=lambda _, made=made: made))
    async with platform.database.session() as connection:
        sequencer = platform.sequencer()
        assert await sequencer.step(connection) == COMMITS_PER_STEP
        assert sequencer.more, "it is behind, and does not rest"
    # A restart in the middle of it loses and doubles nothing.
    assert await step_all(platform, platform.sequencer()) == count - COMMITS_PER_STEP
    assert await check_log(platform, "bank-a") == count


async def test_commits_that_become_visible_out_of_order_are_all_placed(platform: Installation) -> None:
    worker = await certified(platform.database, platform.identity)
    store = CommitStore(platform.database, group="g", cluster="c")
    log = platform.knowledge.owners["bank-a", "payments"].log
    sequencer = platform.sequencer()
    open_transactions = []
    connections = [await asyncpg.connect(platform.dsn) for _ in range(5)]
    try:
        for number, connection in enumerate(connections, start=1):
            transaction = connection.transaction()
            await transaction.start()
            rows = leaf_rows(worker, number, [(log, 2)])
            for table, row in (("commits", rows.commits[0]), ("bundles", rows.bundles[0])):
                columns = "log_id, commit_id, leaf_count, leaves_root, hashes, watermark, worker_id, signature"
                names = columns if table == "commits" else "log_id, commit_id, ends, body"
                marks = ", ".join(f"${n}" for n in range(1, len(row) + 1))
                await connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", *row)
            open_transactions.append(transaction)
        for number, at in enumerate((3, 0, 4, 2, 1), start=100):
            await put_leaves(store, worker, number, log)
            assert await step_all(platform, sequencer) == 1
            await open_transactions[at].commit()
            assert await step_all(platform, sequencer) == 2
            if number == 102:
                sequencer = platform.sequencer()
    finally:
        await asyncio.gather(*(connection.close() for connection in connections))
    assert await check_log(platform, "bank-a") == 15


async def step_at_rest(connection: Connection, sequencer: Sequencer, passed: list[str]) -> list[str]:
    """What a step passes while nobody writes anything: other tests do, to databases of the same server."""
    for _ in range(1_000):
        moments = [await current_snapshot(connection)]
        for _ in range(2):
            passed.clear()
            assert await sequencer.step(connection) == 0
            moments.append(await current_snapshot(connection))
        if len(set(moments)) == 1:
            return passed
    raise AssertionError("the server was never at rest")


async def test_at_rest_no_log_is_read_before_something_was_written(platform: Installation) -> None:
    worker = await certified(platform.database, platform.identity)
    store = CommitStore(platform.database, group="g", cluster="c")
    log = platform.knowledge.owners["bank-a", "payments"].log
    passed: list[str] = []
    sequencer = platform.sequencer(probe=passed.append)
    async with platform.database.session() as connection:
        for number in (1, 2):
            await put_leaves(store, worker, number, log)
            assert await sequencer.step(connection) == 1
            assert not sequencer.more
            assert await step_at_rest(connection, sequencer, passed) == []
    assert await check_log(platform, "bank-a") == 2


async def insert_commit(platform: Installation, rows: CommitRows) -> None:
    store = CommitStore(platform.database, group="g", cluster="c")
    await store.commit(request(1, finish=lambda _: rows))


def changed(rows: CommitRows, **columns: object) -> CommitRows:
    names = ("log_id", "commit_id", "leaf_count", "leaves_root", "hashes", "watermark", "worker_id", "signature")
    (row,) = rows.commits
    made = tuple(columns.get(name, value) for name, value in zip(names, row, strict=True))
    return CommitRows(commits=[made], bundles=rows.bundles)


BAD = {
    "another-signature": {"signature": b"s" * 64},
    "no-signature": {"signature": b""},
    "another-watermark": {"watermark": b'{"cluster":"c","group":"g","steps":[]}'},
    "another-root": {"leaves_root": b"r" * 32},
    "other-hashes": {"hashes": b"h" * 64},
    "half-a-hash": {"hashes": b"h" * 33},
    "a-wrong-count": {"leaf_count": 1},
    "no-leaves": {"leaf_count": 0, "hashes": b""},
    "an-unknown-worker": {"worker_id": "w-nobody"},
}


@pytest.mark.parametrize("columns", [pytest.param(columns, id=name) for name, columns in BAD.items()])
async def test_a_commit_that_does_not_prove_itself_gets_no_place_and_the_others_do(
    platform: Installation, columns: dict[str, object]
) -> None:
    worker = await certified(platform.database, platform.identity)
    log = platform.knowledge.owners["bank-a", "payments"].log
    other = platform.knowledge.owners["bank-b", "payments"].log
    await insert_commit(platform, leaf_rows(worker, 1, [(log, 2)]))
    await insert_commit(platform, changed(leaf_rows(worker, 2, [(log, 2)]), **columns))
    await insert_commit(platform, leaf_rows(worker, 3, [(log, 2), (other, 1)]))
    sequencer = platform.sequencer()
    assert await step_all(platform, sequencer) == 5
    await insert_commit(platform, leaf_rows(worker, 4, [(log, 1)]))
    assert await step_all(platform, sequencer) == 1
    assert await step_all(platform, platform.sequencer()) == 0
    placed = await platform.rows("SELECT DISTINCT commit_id FROM placements ORDER BY commit_id")
    assert [row["commit_id"] for row in placed] == [1, 3, 4]
    assert await check_log(platform, "bank-a") == 5


async def test_a_commit_moved_to_another_tenant_s_log_is_refused(platform: Installation) -> None:
    worker = await certified(platform.database, platform.identity)
    log = platform.knowledge.owners["bank-a", "payments"].log
    other = platform.knowledge.owners["bank-b", "payments"].log
    await insert_commit(platform, changed(leaf_rows(worker, 1, [(log, 1)]), log_id=other.log_id))
    assert await platform.sequence() == 0


async def test_a_worker_that_certified_itself_is_refused(platform: Installation) -> None:
    intruder = WorkerKey(b"i" * 32, b"j" * 32)
    log = platform.knowledge.owners["bank-a", "payments"].log
    await platform.execute(
        "INSERT INTO worker_keys VALUES ($1, $2, $3)", intruder.worker_id, intruder.public_key, intruder.certificate
    )
    await insert_commit(platform, leaf_rows(intruder, 1, [(log, 1)]))
    assert await platform.sequence() == 0


async def test_a_crowd_of_bad_commits_does_not_keep_good_ones_waiting(platform: Installation) -> None:
    worker = await certified(platform.database, platform.identity)
    log = platform.knowledge.owners["bank-a", "payments"].log
    (row,) = leaf_rows(worker, 1, [(log, 1)]).commits
    count = 2 * COMMITS_PER_STEP
    await insert_commit(
        platform, CommitRows(commits=[(row[0], number, *row[2:]) for number in range(1_000, 1_000 + count)])
    )
    await insert_commit(platform, leaf_rows(worker, 1, [(log, 1)]))
    sequencer = platform.sequencer()
    async with platform.database.session() as connection:
        assert sum([await sequencer.step(connection) for _ in range(4)]) == 1
    assert await check_log(platform, "bank-a") == 1


async def test_a_sequencer_that_lost_its_logs_stops_at_its_next_write(platform: Installation) -> None:
    worker = await certified(platform.database, platform.identity)
    log = platform.knowledge.owners["bank-a", "payments"].log
    old, new = platform.sequencer(), platform.sequencer()
    await insert_commit(platform, leaf_rows(worker, 1, [(log, 3)]))
    assert await step_all(platform, old) == 3
    await step_all(platform, new)
    await insert_commit(platform, leaf_rows(worker, 2, [(log, 3)]))
    async with platform.database.session() as connection:
        with pytest.raises(Fenced):
            await old.step(connection)
    assert await step_all(platform, new) == 3
    assert await check_log(platform, "bank-a") == 6


async def test_one_process_at_a_time_sequences_and_the_next_takes_over(platform: Installation) -> None:
    worker = await certified(platform.database, platform.identity)
    log = platform.knowledge.owners["bank-a", "payments"].log
    running = [asyncio.create_task(platform.sequencer().run()) for _ in range(2)]
    try:
        await insert_commit(platform, leaf_rows(worker, 1, [(log, 3)]))
        await placed(platform, 1)
        assert await platform.one("SELECT max(epoch) FROM log_state") == 1
        first = next(task for task in running if not task.done())
        first.cancel()
        await asyncio.wait([first])
        await insert_commit(platform, leaf_rows(worker, 2, [(log, 3)]))
        await placed(platform, 2)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert await check_log(platform, "bank-a") == 6


async def placed(platform: Installation, commits: int) -> None:
    async with asyncio.timeout(30):
        while await platform.one("SELECT count(*) FROM placements") < commits:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_checkpoints_are_signed_when_they_are_due_and_cover_what_is_placed(platform: Installation) -> None:
    worker = await certified(platform.database, platform.identity)
    log = platform.knowledge.owners["bank-a", "payments"].log
    clock = Clock()
    sequencer = platform.sequencer(checkpoint_every=A_SECOND, clock=clock)

    async def sizes() -> Sequence[int]:
        rows = await platform.rows("SELECT size FROM checkpoints WHERE log_id = $1 ORDER BY size", log.log_id)
        return [row["size"] for row in rows]

    for number in range(1, 4):
        await insert_commit(platform, leaf_rows(worker, number, [(log, 1)]))
        await step_all(platform, sequencer)
    assert await sizes() == [1]
    clock.now += A_SECOND
    await step_all(platform, sequencer)
    assert await sizes() == [1, 3]
    clock.now += A_SECOND
    await step_all(platform, sequencer)
    assert await sizes() == [1, 3]


DAMAGED = {
    "hashes": "UPDATE commits SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1) WHERE log_id = $1",
    "hashes-cut-off": "UPDATE commits SET hashes = substring(hashes FOR 40) WHERE log_id = $1",
    "commits-gone": "DELETE FROM commits WHERE log_id = $1",
    "steps-gone": "DELETE FROM log_steps WHERE log_id = $1",
    "a-place-taken": "INSERT INTO placements VALUES ($1, 3, 999, 1)",
    "a-larger-checkpoint": "INSERT INTO checkpoints VALUES ($1, 9, 'r', 'note')",
    "a-checkpoint-changed": "UPDATE checkpoints SET root = 'r' WHERE log_id = $1",
}


@pytest.mark.parametrize("statement", [pytest.param(text, id=name) for name, text in DAMAGED.items()])
async def test_a_damaged_log_stops_and_signs_nothing_while_the_others_go_on(
    platform: Installation, statement: str
) -> None:
    worker = await certified(platform.database, platform.identity)
    log = platform.knowledge.owners["bank-a", "payments"].log
    other = platform.knowledge.owners["bank-b", "payments"].log
    await insert_commit(platform, leaf_rows(worker, 1, [(log, 3), (other, 1)]))
    await platform.sequence()
    checkpoints = await platform.one("SELECT count(*) FROM checkpoints WHERE log_id = $1", log.log_id)
    await platform.execute(statement, log.log_id)
    await insert_commit(platform, leaf_rows(worker, 2, [(log, 1), (other, 1)]))
    sequencer = platform.sequencer()
    assert await step_all(platform, sequencer) == 1
    await insert_commit(platform, leaf_rows(worker, 3, [(other, 1)]))
    assert await step_all(platform, sequencer) == 1
    assert await platform.one("SELECT count(*) FROM placements WHERE log_id = $1 AND commit_id = 2", log.log_id) == 0
    added = 1 if "INTO checkpoints" in statement else 0
    assert await platform.one("SELECT count(*) FROM checkpoints WHERE log_id = $1", log.log_id) == checkpoints + added
    assert await check_log(platform, "bank-b") == 3


async def test_an_earlier_checkpoint_is_compared_too(platform: Installation) -> None:
    """The log has grown since: the tree is rebuilt at the size that was signed."""
    worker = await certified(platform.database, platform.identity)
    store = CommitStore(platform.database, group="g", cluster="c")
    log = platform.knowledge.owners["bank-a", "payments"].log
    for number, count in ((1, TILE_WIDTH + 3), (2, 2 * TILE_WIDTH)):
        await put_leaves(store, worker, number, log, count)
        await platform.sequence()
    await platform.execute("DELETE FROM checkpoints WHERE size > $1", TILE_WIDTH + 3)
    await platform.execute(
        'UPDATE tiles SET hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1) WHERE "index" = 0 AND level = 0'
    )
    await put_leaves(store, worker, 3, log)
    assert await step_all(platform, platform.sequencer()) == 0


async def test_a_database_behind_what_is_published_is_not_sequenced(platform: Installation) -> None:
    worker = await certified(platform.database, platform.identity)
    log = platform.knowledge.owners["bank-a", "payments"].log
    await insert_commit(platform, leaf_rows(worker, 1, [(log, 3)]))
    await platform.sequence()
    await insert_commit(platform, leaf_rows(worker, 2, [(log, 3)]))

    async def published() -> dict[str, RelayPosition]:
        return {log.origin: RelayPosition(4)}

    with pytest.raises(BehindPublication, match="has 3 leaves in the database, and 4 are published"):
        await platform.sequencer(published=published).run()
    assert await check_log(platform, "bank-a") == 3


async def test_a_tenant_that_comes_later_gets_its_log_sequenced(platform: Installation) -> None:
    clock = Clock()
    sequencer = platform.sequencer(clock=clock)
    await step_all(platform, sequencer)
    worker = await certified(platform.database, platform.identity)
    async with platform.database.session() as connection:
        log = await open_log(connection, platform.identity, "bank-c")
    await insert_commit(platform, leaf_rows(worker, 1, [(log, 1)]))
    clock.now += dt.timedelta(seconds=2)
    assert await step_all(platform, sequencer) == 1


async def test_what_is_done_behind_the_commits_is_done_while_the_logs_are_owned(platform: Installation) -> None:
    done = asyncio.Semaphore(0)

    async def behind() -> bool:
        done.release()
        return True

    running = asyncio.create_task(platform.sequencer(behind=behind).run())
    async with asyncio.timeout(60):
        await done.acquire()
        await done.acquire()  # there was more to do, so it is not waited for
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
