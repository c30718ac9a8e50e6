"""The sequencer's rows: no commit is passed over, however late it becomes visible, and only the owner writes."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from agents.platform.identity import Identity
from security.commit_signature import WorkerKey
from security.file_keyring import FileKeyring
from streams.storage import log_tree, sequencing
from streams.storage.commit import CommitStore
from streams.storage.database import Database
from streams.storage.sequencing import ContradictoryRows, Fenced, LogAdvance
from tests.support.commits import leaf_rows, open_log, put_leaves
from tests.support.databases import Databases, connected


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    async with Database(dsn, name="test", connections=8) as found:
        yield found


class Bench:
    """One log, and commits made by hand with one leaf each."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.database = database
        self.identity = Identity(FileKeyring(directory), "o")
        self.worker: WorkerKey = self.identity.new_worker()
        self.store = CommitStore(database, group="g", cluster="c")

    async def open(self) -> "Bench":
        async with self.database.session() as connection:
            self.log = await open_log(connection, self.identity, "t")
        return self

    async def commit(self, commit_id: int) -> None:
        await put_leaves(self.store, self.worker, commit_id, self.log)

    async def insert(self, connection: "asyncpg.Connection[asyncpg.Record]", commit_id: int) -> None:
        """A commit's row in whatever transaction the connection has open."""
        rows = leaf_rows(self.worker, commit_id, [(self.log, 1)])
        await connection.execute(
            "INSERT INTO commits (log_id, commit_id, leaf_count, leaves_root, hashes, watermark, worker_id, signature) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            *rows.commits[0],
        )

    async def pending(
        self, seen: str | None = None, *, refused: list[int] | None = None, limit: int = 100
    ) -> tuple[list[int], str]:
        async with self.database.session() as connection:
            found, now = await sequencing.pending_commits(connection, self.log.log_id, seen, refused or [], limit)
        return [commit.commit_id for commit in found], now


@pytest.fixture
async def bench(database: Database, tmp_path: Path) -> Bench:
    return await Bench(database, tmp_path / "keys").open()


async def test_new_commits_come_in_the_order_of_their_transactions_and_once(bench: Bench) -> None:
    for number in (3, 1, 2):
        await bench.commit(number)
    found, seen = await bench.pending()
    assert found == [3, 1, 2]
    assert (await bench.pending(limit=2))[0] == [3, 1]
    await bench.commit(4)
    assert (await bench.pending(seen))[0] == [4]


async def test_a_commit_that_becomes_visible_after_later_ones_is_not_passed_over(dsn: str, bench: Bench) -> None:
    """The first transaction commits last: its number lies below everything that was placed meanwhile."""
    slow, quick = [await asyncpg.connect(dsn) for _ in range(2)]
    try:
        late = slow.transaction()
        await late.start()
        await bench.insert(slow, 1)
        async with quick.transaction():
            await bench.insert(quick, 2)
        found, seen = await bench.pending()
        assert found == [2]
        await bench.commit(3)
        assert (await bench.pending(seen))[0] == [3]
        found, seen = await bench.pending(seen)
        await late.commit()
        assert (await bench.pending(seen))[0] == [1]
        found, seen = await bench.pending(seen)
        assert (await bench.pending(seen))[0] == []
    finally:
        await asyncio.gather(slow.close(), quick.close())


async def test_an_idle_transaction_elsewhere_holds_nobody_up(dsn: str, bench: Bench) -> None:
    idle = await asyncpg.connect(dsn)
    try:
        async with idle.transaction(isolation="repeatable_read"):
            await idle.execute("CREATE TEMPORARY TABLE anything (x int)")  # takes a transaction number
            seen = None
            for number in range(1, 6):
                await bench.commit(number)
                found, seen = await bench.pending(seen)
                assert found == [number]
        assert (await bench.pending(seen))[0] == []
    finally:
        await idle.close()


async def test_an_aborted_transaction_is_never_placed(dsn: str, bench: Bench) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        aborted = connection.transaction()
        await aborted.start()
        await bench.insert(connection, 1)
        _, seen = await bench.pending()
        await aborted.rollback()
        await bench.commit(2)
        assert (await bench.pending(seen))[0] == [2]
    finally:
        await connection.close()


async def test_what_is_placed_or_refused_is_not_asked_for_again(bench: Bench) -> None:
    for number in (1, 2, 3):
        await bench.commit(number)
    async with bench.database.session() as connection:
        epoch = await sequencing.take_over(connection, bench.log.log_id)
        await sequencing.advance(connection, advance(bench, epoch, 0, 1, [(0, 1, 1)]))
    assert (await bench.pending())[0] == [2, 3]
    assert (await bench.pending(refused=[2]))[0] == [3]


def advance(
    bench: Bench, epoch: int, previous: int, size: int, placements: list[tuple[int, int, int]], **more: object
) -> LogAdvance:
    fields: dict[str, object] = {"tiles": [], "checkpoint": None, "seen": None} | more
    return LogAdvance(
        log_id=bench.log.log_id,
        epoch=epoch,
        previous=previous,
        size=size,
        placements=placements,
        **fields,  # type: ignore[arg-type]
    )


async def test_taking_over_fences_whoever_wrote_before(bench: Bench) -> None:
    async with bench.database.session() as connection:
        first = await sequencing.take_over(connection, bench.log.log_id)
        await sequencing.advance(connection, advance(bench, first, 0, 1, [(0, 1, 1)]))
        second = await sequencing.take_over(connection, bench.log.log_id)
        assert second == first + 1
        with pytest.raises(Fenced, match=f"epoch {second}, ours {first}"):
            await sequencing.advance(
                connection, advance(bench, first, 1, 2, [(1, 2, 1)], checkpoint=(2, b"r" * 32, "note"))
            )
        assert (await sequencing.read_position(connection, bench.log.log_id)).size == 1
        assert await sequencing.last_checkpoint(connection, bench.log.log_id) is None
        assert await connection.fetchval("SELECT count(*) FROM placements") == 1
        await sequencing.advance(connection, advance(bench, second, 1, 2, [(1, 2, 1)]))


async def test_a_step_is_written_whole_or_not_at_all(bench: Bench) -> None:
    async with bench.database.session() as connection:
        epoch = await sequencing.take_over(connection, bench.log.log_id)
        await sequencing.advance(connection, advance(bench, epoch, 0, 1, [(0, 1, 1)], tiles=[(0, 0, b"h")]))
        with pytest.raises(ContradictoryRows):
            await sequencing.advance(connection, advance(bench, epoch, 1, 2, [(1, 2, 1)], tiles=[(0, 0, b"h")]))
        with pytest.raises(ContradictoryRows):  # no commit has two places
            await sequencing.advance(connection, advance(bench, epoch, 1, 2, [(1, 1, 1)]))
        assert (await sequencing.read_position(connection, bench.log.log_id)).size == 1


async def test_hashes_are_read_between_any_two_indexes(bench: Bench) -> None:
    sizes = [3, 1, 5, 2]
    for number, count in enumerate(sizes, start=1):
        await put_leaves(bench.store, bench.worker, number, bench.log, count)
    placements = [(sum(sizes[:n]), n + 1, count) for n, count in enumerate(sizes)]
    async with bench.database.session() as connection:
        epoch = await sequencing.take_over(connection, bench.log.log_id)
        await sequencing.advance(connection, advance(bench, epoch, 0, sum(sizes), placements))
        rows = await connection.fetch("SELECT hashes FROM commits ORDER BY commit_id")
        whole = b"".join(row["hashes"] for row in rows)
        for start, end in itertools.combinations(range(sum(sizes) + 3), 2):
            found = await log_tree.leaf_hashes(connection, bench.log.log_id, start, end)
            assert found == whole[32 * start : 32 * end]


async def test_what_another_server_numbered_is_looked_at_once_more(bench: Bench) -> None:
    """A dump restored elsewhere: stored numbers and snapshots are ahead of the server's, new ones far below."""
    await bench.commit(1)
    async with bench.database.session() as connection:
        _, seen = await bench.pending(None)
        epoch = await sequencing.take_over(connection, bench.log.log_id)
        await sequencing.advance(connection, advance(bench, epoch, 0, 1, [(0, 1, 1)], seen=seen))
        assert (await sequencing.read_position(connection, bench.log.log_id)).seen == seen
        await bench.commit(2)
        await connection.execute("UPDATE commits SET xid = (xid::text::numeric + 1000000)::text::xid8")
        await connection.execute("UPDATE log_steps SET seen = '1000050:1000050:'")
        assert (await sequencing.read_position(connection, bench.log.log_id)).seen is None
        await connection.execute("UPDATE log_steps SET seen = $1::text::pg_snapshot, system_id = 1", seen)
        assert (await sequencing.read_position(connection, bench.log.log_id)).seen is None
        await connection.execute("UPDATE log_steps SET system_id = NULL")
        assert (await sequencing.read_position(connection, bench.log.log_id)).seen is None
    await bench.commit(3)
    found, now = await bench.pending(None)
    assert sorted(found) == [2, 3]
    # From then on the old numbers, which lie ahead, are not gone through again and again.
    await bench.commit(4)
    assert (await bench.pending(now))[0] == [4]


async def test_a_former_owner_that_was_stopped_within_a_transaction_is_ended(dsn: str, bench: Bench) -> None:
    stopped = await asyncpg.connect(dsn)
    async with bench.database.session() as connection:
        await sequencing.take_over(connection, bench.log.log_id)
        transaction = stopped.transaction()
        await transaction.start()
        await stopped.fetchval("SELECT epoch FROM log_state FOR SHARE")
        assert await sequencing.take_over(connection, bench.log.log_id) == 2
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)):
        await stopped.fetchval("SELECT 1")
    await stopped.close()


async def test_sessions_on_a_copy_of_the_database_are_no_former_owners(
    dsn: str, bench: Bench, databases: Databases
) -> None:
    # Its tables have the same numbers as ours.
    async with databases.fresh() as copy, connected(copy) as other, connected(dsn) as stopped, other.transaction():
        await other.execute("LOCK TABLE log_state IN ROW SHARE MODE")
        async with bench.database.session() as connection:
            await sequencing.take_over(connection, bench.log.log_id)
            await stopped.execute("BEGIN; SELECT epoch FROM log_state FOR SHARE")
            assert await sequencing.take_over(connection, bench.log.log_id) == 2
        assert await other.fetchval("SELECT 1") == 1
