import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from streams.storage.commit import Claims, CommitStore
from streams.storage.commit_rows import CommitRows
from streams.storage.database import Database
from streams.storage.registry import RegistryChanged, changing_registry, registry_revision
from tests.support.commits import TOPIC, record, request, step


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    async with Database(dsn, name="test", connections=8) as found:
        yield found


async def revision(database: Database) -> int:
    async with database.session() as connection:
        return await registry_revision(connection)


async def change(database: Database) -> None:
    async with database.session() as connection, changing_registry(connection):
        pass


async def test_every_change_has_a_revision_of_its_own(database: Database) -> None:
    assert await revision(database) == 0
    await asyncio.gather(*(change(database) for _ in range(5)))
    assert await revision(database) == 5


async def test_a_change_that_fails_leaves_no_revision(database: Database) -> None:
    with pytest.raises(ValueError, match="no"):
        async with database.session() as connection, changing_registry(connection):
            raise ValueError("no")
    assert await revision(database) == 0


async def test_what_was_judged_by_former_keys_is_not_committed(database: Database) -> None:
    store = CommitStore(database, group="g", cluster="c")
    first = replace(request(1, [step(0, 0, 5, first_ever=True)]), registry=0)
    assert await store.commit(first) == {(TOPIC, 0)}
    await change(database)
    late = replace(request(2, [step(0, 5, 9)]), registry=0)
    with pytest.raises(RegistryChanged):
        await store.commit(late)
    assert await store.commit(replace(late, registry=1)) == {(TOPIC, 0)}


async def test_a_commit_that_judged_nothing_is_not_held_up(database: Database) -> None:
    await change(database)
    assert await CommitStore(database, group="g", cluster="c").commit(request(1, [step(0, 0, 5, first_ever=True)]))


@pytest.mark.parametrize("count", [0, 400], ids=["no-rows", "rows-by-copy"])
async def test_a_change_waits_for_commits_under_way_and_later_ones_see_it(database: Database, count: int) -> None:
    """Between the check in a commit and its end no change can get in."""
    order: list[str] = []
    changes: list[asyncio.Task[None]] = []
    rows = CommitRows(terms=[(1, "account", b"token", record(n)) for n in range(count)])

    async def changed() -> None:
        await change(database)
        order.append("changed")

    store = CommitStore(database, group="g", cluster="c")

    def finish(_: Claims) -> CommitRows:
        if not changes:
            changes.append(asyncio.create_task(changed()))
            order.append("in work")
        return rows

    slow = replace(request(1, [step(0, 0, 5, first_ever=True)], finish=finish), registry=0)
    await store.commit(slow)
    order.append("committed")
    await asyncio.gather(*changes)
    assert order == ["in work", "committed", "changed"]
    with pytest.raises(RegistryChanged):
        await store.commit(replace(request(2, [step(0, 5, 6)], finish=lambda _: rows), registry=0))
    async with database.session() as connection:
        assert await connection.fetchval("SELECT max(to_offset) FROM watermark_steps") == 5
        assert await connection.fetchval("SELECT count(*) FROM terms") == len(rows.terms)


async def test_a_small_commit_that_waits_for_a_change_sees_it(database: Database) -> None:
    """It is one statement: what it sees of other tables was fixed before it waited, but not the registry."""
    store = CommitStore(database, group="g", cluster="c")
    rows = CommitRows(terms=[(1, "account", b"token", record(1))])
    late = replace(request(1, [step(0, 0, 5, first_ever=True)], finish=lambda _: rows), registry=0)
    async with database.session() as connection, changing_registry(connection):
        waiting = asyncio.create_task(store.commit(late))
        await asyncio.sleep(0.2)
        assert not waiting.done()
    with pytest.raises(RegistryChanged):
        await waiting
    async with database.session() as connection:
        assert await connection.fetchval("SELECT count(*) FROM watermark_steps") == 0
        assert await connection.fetchval("SELECT count(*) FROM terms") == 0


async def test_commits_don_t_wait_for_each_other(database: Database) -> None:
    store = CommitStore(database, group="g", cluster="c")
    requests = [replace(request(n, [step(n, 0, 5, first_ever=True)]), registry=0) for n in range(6)]
    assert len(await asyncio.gather(*map(store.commit, requests))) == 6
