import asyncio
import datetime as dt
import itertools
import random
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from streams.storage.commit import SMALL_COMMIT, Claims, CommitRequest, CommitStore, EntryClaim
from streams.storage.commit_rows import CommitRows, usual_tables
from streams.storage.database import Database
from streams.storage.one_statement import claim_and_write
from streams.storage.watermarks import step_arguments
from tests.support.commits import TOPIC, identity, record, request, step

LOG = 1
TABLES_WRITTEN = ("watermark_steps", "identities", "entry_keys", "terms", "commits", "bundles")


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    async with Database(dsn, name="test", connections=8) as found:
        yield found


@pytest.fixture
def store(database: Database) -> CommitStore:
    return CommitStore(database, group="g", cluster="c")


async def fetch(database: Database, query: str) -> list[tuple[object, ...]]:
    async with database.session() as connection:
        return [tuple(row) for row in await connection.fetch(query)]


async def steps_of(database: Database) -> list[tuple[object, ...]]:
    return await fetch(
        database, "SELECT part, from_offset, to_offset, commit_id FROM watermark_steps ORDER BY part, from_offset"
    )


def entry(token: bytes, name: int, digest: bytes = b"digest", *, log: int = LOG) -> EntryClaim:
    """A claim for a record that is a message of its own."""
    return EntryClaim(log, token, record(name), record(name), digest)


def terms(*names: int) -> CommitRows:
    """Rows whose presence shows that a commit was kept."""
    return CommitRows(terms=[(LOG, "account", b"token", record(name)) for name in names])


async def test_the_first_step_of_a_partition_begins_before_its_first_record(
    database: Database, store: CommitStore
) -> None:
    assert await store.commit(request(1, [step(0, 7, 9, first_ever=True)])) == {(TOPIC, 0)}
    assert await store.commit(request(2, [step(0, 9, 12)])) == {(TOPIC, 0)}
    assert await steps_of(database) == [(0, -1, 7, 1), (0, 7, 9, 1), (0, 9, 12, 2)]


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(step(0, 0, 5), id="the-same-frame-again"),
        pytest.param(step(0, 0, 9), id="a-longer-frame-from-the-same-place"),
        pytest.param(step(0, 3, 8), id="from-the-middle"),
        pytest.param(step(0, 6, 8), id="leaving-a-gap"),
        pytest.param(step(0, 0, 5, first_ever=True), id="first-ever-again"),
        pytest.param(step(0, 5, 8, first_ever=True), id="first-ever-at-the-stored-place"),
    ],
)
async def test_a_step_from_anywhere_but_the_stored_position_is_lost(
    database: Database, store: CommitStore, late: object
) -> None:
    await store.commit(request(1, [step(0, 0, 5, first_ever=True)]))
    before = await steps_of(database)
    assert await store.commit(request(2, [late], [identity(1)], finish=lambda _: terms(1))) == set()  # type: ignore[list-item]
    assert await steps_of(database) == before
    assert await fetch(database, "SELECT * FROM terms") == []
    assert await fetch(database, "SELECT * FROM identities") == []


async def test_a_lost_frame_costs_its_neighbours_nothing_and_claims_nothing(
    database: Database, store: CommitStore
) -> None:
    await store.commit(request(1, [step(0, 0, 5, first_ever=True), step(1, 0, 5, first_ever=True)]))
    granted: list[Claims] = []

    def finish(claims: Claims) -> CommitRows:
        granted.append(claims)
        return terms(2)

    moved = await store.commit(
        request(
            2,
            [step(0, 3, 8), step(1, 5, 6)],
            [identity(1, partition=0), identity(2, partition=1)],
            [entry(b"a", 1), entry(b"b", 2)],
            finish,
        )
    )
    assert moved == granted[0].won == {(TOPIC, 1)}
    assert await fetch(database, "SELECT record_id FROM identities") == [(record(2),)]
    assert await fetch(database, "SELECT token, record_id FROM entry_keys") == [(b"b", record(2))]
    assert await steps_of(database) == [(0, -1, 0, 1), (0, 0, 5, 1), (1, -1, 0, 1), (1, 0, 5, 1), (1, 5, 6, 2)]


async def test_a_later_step_is_lost_where_nothing_is_stored(database: Database, store: CommitStore) -> None:
    assert await store.commit(request(1, [step(0, 5, 9)])) == set()


async def test_another_group_and_another_cluster_have_their_own_progress(database: Database) -> None:
    for group, cluster in (("g", "c"), ("h", "c"), ("g", "d")):
        other = CommitStore(database, group=group, cluster=cluster)
        assert await other.commit(request(1, [step(0, 0, 5, first_ever=True)])) == {(TOPIC, 0)}


@pytest.mark.parametrize("first_ever", [True, False], ids=["the-very-first-step", "a-later-step"])
async def test_of_workers_that_want_the_same_step_at_once_exactly_one_gets_it(
    database: Database, first_ever: bool
) -> None:
    stores = [CommitStore(database, group="g", cluster="c") for _ in range(4)]
    start = 0 if first_ever else 5
    if not first_ever:
        await stores[0].commit(request(99, [step(0, 0, 5, first_ever=True)]))
    for partition_round in range(10):
        place = partition_round
        if not first_ever and place:
            await stores[0].commit(request(99, [step(place, 0, 5, first_ever=True)]))
        won = await asyncio.gather(
            *(
                store.commit(
                    request(
                        n,
                        [step(place, start, start + n + 1, first_ever=first_ever)],
                        [identity(100 * place + n, partition=place)],
                        finish=lambda _, name=100 * place + n: terms(name),
                    )
                )
                for n, store in enumerate(stores)
            )
        )
        (winner,) = [n for n, moved in enumerate(won) if moved]
        kept = await fetch(
            database, f"SELECT record_id FROM identities WHERE commit_id < 99 AND record_id >= '{record(100 * place)}'"
        )
        assert kept == await fetch(database, f"SELECT record_id FROM terms WHERE record_id >= '{record(100 * place)}'")
        assert kept == [(record(100 * place + winner),)]
        assert (place, start, start + winner + 1, winner) in await steps_of(database)


async def test_workers_that_disagree_where_a_partition_begins_do_not_both_begin_it(database: Database) -> None:
    """One saw the partition before the broker dropped its oldest records, the other after."""
    first, second = (CommitStore(database, group="g", cluster="c") for _ in range(2))
    for place in range(10):
        won = await asyncio.gather(
            first.commit(request(1, [step(place, 0, 5, first_ever=True)])),
            second.commit(request(2, [step(place, 3, 8, first_ever=True)])),
        )
        assert sorted(map(len, won)) == [0, 1]
    starts = await fetch(database, "SELECT part, count(*) FROM watermark_steps WHERE from_offset = -1 GROUP BY part")
    assert sorted(starts) == [(place, 1) for place in range(10)]


async def test_the_other_partitions_of_a_race_for_a_first_step_are_committed(database: Database) -> None:
    first, second = (CommitStore(database, group="g", cluster="c") for _ in range(2))
    won = await asyncio.gather(
        first.commit(request(1, [step(0, 0, 5, first_ever=True), step(1, 0, 1, first_ever=True)])),
        second.commit(request(2, [step(0, 3, 8, first_ever=True), step(2, 0, 1, first_ever=True)])),
    )
    assert (TOPIC, 1) in won[0]
    assert (TOPIC, 2) in won[1]
    assert sum((TOPIC, 0) in moved for moved in won) == 1


async def test_ids_that_an_earlier_commit_holds_come_back_with_its_digest(store: CommitStore) -> None:
    seen: list[Claims] = []

    def finish(claims: Claims) -> CommitRows:
        seen.append(claims)
        return CommitRows()

    await store.commit(request(1, [step(0, 0, 1, first_ever=True)], [identity(1, b"one")], finish=finish))
    assert seen[-1].taken == {}
    await store.commit(request(2, [step(0, 1, 2)], [identity(1, b"other"), identity(2, b"two")], finish=finish))
    assert seen[-1].taken == {record(1): b"one"}


@pytest.mark.parametrize(
    "count", [pytest.param(3, id="in-one-statement"), pytest.param(SMALL_COMMIT + 1, id="by-copy")]
)
async def test_only_the_rows_for_what_was_granted_are_written(
    database: Database, store: CommitStore, count: int
) -> None:
    """A small commit makes its rows in the hope that all is granted; they must not stay when it was not."""

    def finish(claims: Claims) -> CommitRows:
        return terms(*[name for name in range(count) if record(name) not in claims.taken])

    def attempt(commit_id: int, start: int) -> CommitRequest:
        wanted = [identity(name) for name in range(count)]
        return request(commit_id, [step(0, start, start + 1, first_ever=not start)], wanted, finish=finish)

    await store.commit(request(1, [step(1, 0, 1, first_ever=True)], [identity(1, partition=1)]))
    assert await store.commit(attempt(2, 0)) == {(TOPIC, 0)}
    expected = sorted(record(name) for name in range(count) if name != 1)
    assert sorted(name for (name,) in await fetch(database, "SELECT record_id FROM terms")) == expected
    assert await store.commit(attempt(3, 1)) == {(TOPIC, 0)}, "all ids are taken now"
    assert len(await fetch(database, "SELECT record_id FROM terms")) == count - 1
    assert await fetch(database, "SELECT count(*), count(DISTINCT commit_id) FROM identities") == [(count, 2)]


async def test_a_small_commit_of_which_all_is_granted_is_one_statement(dsn: str) -> None:
    asked: list[str] = []
    async with Database(dsn, name="test", connections=1) as database:
        store = CommitStore(database, group="g", cluster="c")
        for n in range(2):
            wanted = replace(request(n, [step(0, n, n + 1, first_ever=not n)], [identity(n)]), registry=0)
            if n:
                async with database.session(clean=True) as connection:
                    connection.add_query_logger(lambda query: asked.append(query.query))
            assert await store.commit(replace(wanted, finish=lambda _, n=n: terms(n))) == {(TOPIC, 0)}
    assert len(asked) == 1


async def test_a_rehearsal_leaves_nothing_but_a_plan(dsn: str) -> None:
    planned = "SELECT generic_plans FROM pg_prepared_statements WHERE statement ~ '^\\s*WITH held'"
    async with Database(dsn, name="test", connections=1) as database:
        await CommitStore(database, group="g", cluster="c").rehearse()
        assert await fetch(database, planned) == [(1,)]
        for table in TABLES_WRITTEN:
            assert await fetch(database, f"SELECT * FROM {table}") == []


async def test_small_commits_look_ids_up_however_much_the_tables_grew_since_they_were_planned(dsn: str) -> None:
    async with Database(dsn, name="test", connections=1, patience=dt.timedelta(seconds=10)) as database:
        store = CommitStore(database, group="g", cluster="c")
        await store.rehearse()  # while everything is empty
        scans = "SELECT sum(seq_scan) FROM pg_stat_xact_user_tables WHERE relname LIKE 'identities%'"
        async with database.session() as connection, connection.transaction():
            arguments = step_arguments("g", "c", 1, [step(0, 0, 1, first_ever=True)])
            before = await connection.fetchval(scans)
            claimed = await claim_and_write(connection, arguments, {record(1): b"digest"}, None, usual_tables())
            assert claimed.done
            assert await connection.fetchval(scans) == before
        assert await fetch(database, "SELECT record_id FROM identities") == [(record(1),)]


async def test_a_small_commit_waits_for_whoever_is_taking_its_id(database: Database, store: CommitStore) -> None:
    async with database.session() as connection:
        other = connection.transaction()
        await other.start()
        await connection.execute("INSERT INTO identities VALUES ($1, 'first', 9)", record(1))
        waiting = asyncio.create_task(
            store.commit(
                request(
                    1,
                    [step(0, 0, 1, first_ever=True)],
                    [identity(1, b"second")],
                    finish=lambda claims: terms(*[7 if claims.taken else 8]),
                )
            )
        )
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await other.commit()
    assert await waiting == {(TOPIC, 0)}
    assert await fetch(database, "SELECT record_id FROM terms") == [(record(7),)]


async def test_the_first_claim_of_an_id_within_a_commit_is_the_one_stored(
    database: Database, store: CommitStore
) -> None:
    await store.commit(request(1, [step(0, 0, 2, first_ever=True)], [identity(1, b"first"), identity(1, b"second")]))
    assert await fetch(database, "SELECT record_id, digest FROM identities") == [(record(1), b"first")]


async def test_entry_keys_name_the_record_that_held_them_first(database: Database, store: CommitStore) -> None:
    seen: list[Claims] = []

    def finish(claims: Claims) -> CommitRows:
        seen.append(claims)
        return CommitRows()

    await store.commit(
        request(
            1,
            [step(0, 0, 2, first_ever=True)],
            [identity(1), identity(2)],
            [entry(b"t", 1), entry(b"t", 2), entry(b"t", 2, log=2)],
            finish,
        )
    )
    assert seen[-1].first_entries == {(LOG, b"t"): record(1), (2, b"t"): record(2)}
    await store.commit(
        request(2, [step(0, 2, 3)], [identity(3), identity(1)], [entry(b"t", 3), entry(b"u", 1)], finish)
    )
    assert seen[-1].first_entries == {(LOG, b"t"): record(1)}, "record 1 was taken: its entries may claim nothing"
    assert await fetch(database, "SELECT token FROM entry_keys WHERE token = 'u'") == []


async def test_entries_of_a_message_that_lost_its_id_within_the_commit_claim_nothing(
    database: Database, store: CommitStore
) -> None:
    await store.commit(
        request(
            1,
            [step(0, 0, 2, first_ever=True)],
            [identity(1, b"first"), identity(1, b"second")],
            [entry(b"t", 1, b"first"), entry(b"u", 1, b"second")],
        )
    )
    assert await fetch(database, "SELECT token FROM entry_keys") == [(b"t",)]


@pytest.mark.parametrize("bad_rows", [False, True], ids=["finish-raises", "a-row-does-not-fit"])
async def test_a_commit_that_fails_leaves_nothing(database: Database, store: CommitStore, bad_rows: bool) -> None:
    def finish(_: Claims) -> CommitRows:
        if not bad_rows:
            raise RuntimeError("no")
        return CommitRows(terms=[(LOG, "account", b"token", record(1)), (LOG, None, b"token", record(1))])

    expected: type[Exception] = asyncpg.NotNullViolationError if bad_rows else RuntimeError
    claims = [entry(b"t", 1)]
    with pytest.raises(expected):
        await store.commit(request(1, [step(0, 0, 5, first_ever=True)], [identity(1)], claims, finish))
    for table in TABLES_WRITTEN:
        assert await fetch(database, f"SELECT * FROM {table}") == [], table
    assert await store.commit(request(2, [step(0, 0, 5, first_ever=True)], [identity(1)])) == {(TOPIC, 0)}


async def test_overlapping_ids_and_entries_from_two_workers_never_deadlock(database: Database) -> None:
    rng = random.Random(7)
    stores = [CommitStore(database, group="g", cluster="c") for _ in range(2)]
    numbers = itertools.count(1)
    positions = [0, 0]

    async def commit(worker: int) -> Claims:
        names = rng.sample(range(200), 120)
        tokens = rng.sample(range(200), 120)
        start = positions[worker]
        positions[worker] += 1
        found: list[Claims] = []

        def finish(claims: Claims) -> CommitRows:
            found.append(claims)
            return CommitRows()

        commit_id = next(numbers)
        await stores[worker].commit(
            request(
                commit_id,
                [step(worker, start, start + 1, first_ever=start == 0)],
                [identity(name, b"%d" % commit_id, worker) for name in names],
                [entry(b"%d" % token, name, b"%d" % commit_id) for token, name in zip(tokens, names, strict=True)],
                finish,
            )
        )
        return found[0]

    for _ in range(25):
        async with asyncio.timeout(30):
            await asyncio.gather(commit(0), commit(1))
        async with database.session() as connection:
            # Each round is to meet fresh ids again.
            await connection.execute("TRUNCATE identities, entry_keys")
    assert positions == [25, 25]


async def test_of_two_concurrent_claims_of_an_id_one_is_granted_and_the_other_told(database: Database) -> None:
    stores = [CommitStore(database, group="g", cluster="c") for _ in range(2)]
    for name in range(20):
        taken: dict[int, object] = {}

        def finish(claims: Claims, worker: int, name: int = name, taken: dict[int, object] = taken) -> CommitRows:
            taken[worker] = claims.taken.get(record(name))
            return CommitRows()

        await asyncio.gather(
            *(
                store.commit(
                    request(
                        worker,
                        [step(worker, name, name + 1, first_ever=name == 0)],
                        [identity(name, b"%d" % worker, worker)],
                        finish=lambda claims, worker=worker: finish(claims, worker),
                    )
                )
                for worker, store in enumerate(stores)
            )
        )
        assert sorted(taken.items()) in ([(0, None), (1, b"0")], [(0, b"1"), (1, None)])
