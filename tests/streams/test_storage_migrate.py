import asyncio
import datetime as dt

import pytest

import schemas.tables.keys
import schemas.tables.log
import schemas.tables.models
import schemas.tables.records
from schemas.errors import StorageError
from schemas.tables.base import metadata
from streams.storage.database import Database
from streams.storage.migrate import migrate
from streams.storage.revision import FLOOR_QUERY, OLDEST, REVISION, check_migrated
from streams.storage.vacuuming import SUMMARIZED, not_vacuumed
from tests.support.databases import Databases

TABLES = (schemas.tables.keys, schemas.tables.log, schemas.tables.models, schemas.tables.records)


async def test_an_empty_database_is_refused_then_migrated_by_one_of_many(databases: Databases) -> None:
    async with databases.fresh(empty=True) as dsn:
        with pytest.raises(StorageError, match="run `sealstream migrate`"):
            await check_migrated(dsn)
        await asyncio.gather(*(migrate(dsn) for _ in range(3)))
        await check_migrated(dsn)
        await migrate(dsn)


async def test_the_migrated_tables_have_the_declared_columns(dsn: str) -> None:
    assert TABLES
    async with Database(dsn, name="test") as database, database.session() as connection:
        rows = await connection.fetch(
            "SELECT table_name, column_name, is_nullable FROM information_schema.columns WHERE table_schema = 'public'"
        )
    found = {(row["table_name"], row["column_name"], row["is_nullable"] == "YES") for row in rows}
    declared = {
        (table.name, column.name, bool(column.nullable)) for table in metadata.sorted_tables for column in table.columns
    }
    assert declared <= found
    names = {table.name for table in metadata.sorted_tables}
    assert {each for each in found if each[0] in names} == declared


async def test_tables_with_a_block_range_index_are_vacuumed_as_they_grow(dsn: str) -> None:
    async with Database(dsn, name="test") as database, database.session() as connection:
        rows = await connection.fetch(
            """
            SELECT t.relname, t.reloptions FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
            JOIN pg_am a ON a.oid = i.relam JOIN pg_class t ON t.oid = x.indrelid
            WHERE a.amname = 'brin' AND t.relkind = 'r'
            """
        )
        assert await not_vacuumed(connection) == []
        off = connection.transaction()
        await off.start()
        await connection.execute("ALTER TABLE dead_letters SET (autovacuum_enabled = off)")
        assert await not_vacuumed(connection) == ["dead_letters"]
        await off.rollback()
    assert len(rows) == 7  # two tables, and of messages the default partition and those of four months
    assert {tuple(row["reloptions"] or ()) for row in rows} == {tuple(SUMMARIZED.replace(" ", "").split(","))}


async def test_rows_of_this_and_the_coming_months_have_partitions_of_their_own(dsn: str) -> None:
    month = dt.datetime.now(dt.UTC).date().replace(day=1)
    async with Database(dsn, name="test") as database, database.session() as connection:
        rows = await connection.fetch("SELECT relname FROM pg_class WHERE relname LIKE 'results_2%' AND relkind = 'r'")
    assert f"results_{month:%Y_%m}" in {row["relname"] for row in rows}
    assert len(rows) == 4


@pytest.mark.parametrize(
    ("floor", "works"),
    [
        pytest.param("'0001'", True, id="one-that-only-added"),
        pytest.param("'9998'", False, id="one-that-took-something-away"),
        pytest.param("NULL", False, id="one-that-does-not-say"),
    ],
)
async def test_a_newer_schema_works_as_long_as_it_says_so(databases: Databases, floor: str, works: bool) -> None:
    """Old and new programs run side by side while a release is rolled out."""
    async with databases.fresh() as dsn:
        async with Database(dsn, name="test") as database, database.session() as connection:
            await connection.execute("UPDATE alembic_version SET version_num = '9999'")
            await connection.execute(f"COMMENT ON TABLE alembic_version IS {floor}")
        if works:
            await check_migrated(dsn)
        else:
            with pytest.raises(StorageError, match=r"revision 9999 .*too new"):
                await check_migrated(dsn)


async def test_a_migrated_database_names_the_oldest_program_that_works_on_it(dsn: str) -> None:
    async with Database(dsn, name="test") as database, database.session() as connection:
        assert await connection.fetchval(FLOOR_QUERY) == OLDEST
    assert OLDEST <= REVISION


async def test_this_program_asks_for_the_newest_migration(dsn: str) -> None:
    async with Database(dsn, name="test") as database, database.session() as connection:
        assert await connection.fetchval("SELECT version_num FROM alembic_version") == REVISION


async def test_a_schema_older_than_the_program_is_refused(databases: Databases) -> None:
    async with databases.fresh() as dsn:
        async with Database(dsn, name="test") as database, database.session() as connection:
            await connection.execute("UPDATE alembic_version SET version_num = '0000'")
        with pytest.raises(StorageError, match="run `sealstream migrate`"):
            await check_migrated(dsn)


@pytest.mark.parametrize(
    "dsn",
    [
        pytest.param("postgresql://u:geheim-geheim@127.0.0.1:1/x", id="nobody-there"),
        pytest.param("mysql://u:geheim-geheim@127.0.0.1:1/x", id="another-scheme"),
    ],
)
async def test_a_database_that_cannot_be_reached_is_a_clear_error_without_its_password(dsn: str) -> None:
    with pytest.raises(StorageError) as caught:
        await check_migrated(dsn)
    assert "geheim" not in str(caught.value)
    with pytest.raises(StorageError) as caught:
        async with Database(dsn, name="test"):
            pass
    assert "geheim" not in str(caught.value)
