import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from streams.embedded import DataDirectory
from streams.outages import passes
from streams.storage.database import Database
from streams.storage.server_identity import DatabaseReplaced, SameServer
from tests.faults.postgres import BreakablePostgres


@pytest.fixture
def directory() -> Iterator[Path]:
    with DataDirectory() as found:  # which the database's user can enter
        yield found


def put(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-a", source, target], check=True)


async def answers(database: Database) -> None:
    """Ask until the pool has noticed that its connections are gone."""
    while True:
        try:
            return await database.answers()
        except Exception as exc:
            if not passes(exc):
                raise


async def write(database: Database) -> None:
    async with database.session() as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS written (n int)")
        await connection.execute("INSERT INTO written SELECT generate_series(1, 10_000)")


async def test_a_server_that_crashed_and_came_back_is_the_same(directory: Path) -> None:
    async with (
        BreakablePostgres(directory / "postgres") as server,
        Database(server.dsn, name="test", connections=2) as database,
    ):
        await write(database)
        await database.answers()
        await server.kill()
        await server.start()
        await answers(database)


async def test_a_copy_of_its_data_that_was_put_back_is_not(directory: Path) -> None:
    """It has the same name and the same timeline, and lacks what was written since."""
    async with BreakablePostgres(directory / "postgres") as server:
        await server.stop()
        put(directory / "postgres", directory / "copy")
        await server.start()
        async with Database(server.dsn, name="test", connections=2) as database:
            await write(database)
            await database.answers()
            await server.stop()
            put(directory / "copy", directory / "postgres")
            await server.start()
            with pytest.raises(DatabaseReplaced, match="has less than when this process last asked"):
                await answers(database)


async def test_who_is_cancelled_as_a_server_is_refused_ends(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def keep_asking() -> None:
        while True:
            with suppress(DatabaseReplaced):
                async with database.session():
                    pass
            await asyncio.sleep(0)

    async def refuse(self: SameServer, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        if asyncio.current_task() is asking and not asking.cancelling():
            asking.cancel()  # takes effect as soon as anything is waited for
        raise DatabaseReplaced("another database server answers")

    async with Database(dsn, name="test", connections=1) as database:
        assert database._pool is not None
        await database._pool.expire_connections()  # the next session connects anew
        monkeypatch.setattr(SameServer, "check", refuse)
        asking = asyncio.create_task(keep_asking())
        done, _ = await asyncio.wait([asking], timeout=10)
        asking.cancel()
        assert done
