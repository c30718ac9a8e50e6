"""The wall in the database: what the API's role sees of every table, what it can change, and who may take it."""

import datetime as dt
import itertools
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from schemas.errors import StorageError
from streams.storage.commit_rows import COPY_FROM, CommitRows, write_rows
from streams.storage.database import API_ROLE, EVERYBODY, Database
from streams.storage.migrate import migrate
from streams.storage.reading import list_results
from tests.support.databases import Databases, connected, tables

COMMON = {
    "access_changes", "access_policies", "certificates", "models", "registry_changes", "revocation_lists",
    "worker_keys",
}  # fmt: skip
"""Tables of no tenant, that anybody's session reads. Any other table without a tenant is the platform's own."""

CHANGED = {("access_requests", "UPDATE"), ("api_writes", "UPDATE"), ("api_writes", "DELETE")}
"""All that the role may do to rows that are there."""

GIVEN: dict[str, Any] = {
    "stage": "retired", "state": "accepted", "tier": 1, "n": 1, "share": 0, "shadow": False, "lost": 0, "search": None,
}  # fmt: skip
"""Values that constraints ask for."""

_numbers = itertools.count(1)


def value(column: asyncpg.Record) -> Any:
    """Any value of a column's type."""
    if column["name"] in GIVEN:
        return GIVEN[column["name"]]
    number = next(_numbers)
    match column["kind"]:
        case "text":
            return f"v{number}"
        case "uuid":
            return uuid4()
        case "bytea":
            return number.to_bytes(4, "big")
        case "smallint" | "integer" | "bigint":
            return number
        case "boolean":
            return False
        case "timestamp with time zone":
            return dt.datetime.now(dt.UTC)
        case "interval":
            return dt.timedelta(seconds=number)
        case "jsonb":
            return "{}"
        case array if array.endswith("[]"):
            return []
    raise AssertionError(f"no value for {column}")


async def columns(connection: asyncpg.Connection, table: str) -> list[asyncpg.Record]:
    found: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT attname AS name, format_type(atttypid, atttypmod) AS kind, attidentity <> '' AS made FROM pg_attribute
        WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped
        """,
        table,
    )
    return found


async def insert(connection: asyncpg.Connection, table: str, tenant: str, log_id: int) -> None:
    """Put a tenant's row into a table."""
    special = {"tenant": tenant, "log_id": log_id, "tree_id": 1000 + log_id}
    row = {
        each["name"]: special.get(each["name"]) or value(each)
        for each in await columns(connection, table)
        if each["kind"] not in ("xid8", "pg_snapshot") and (not each["made"] or each["name"] == "log_id")
    }
    if table == "log_steps":
        row["seen"] = (1, 1, ())
    names = ", ".join(f'"{name}"' for name in row)
    places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
    await connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", *row.values())


@pytest.fixture
async def filled(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """The owner's connection, with a row of A and one of B in every table."""
    async with connected(dsn) as connection:
        names = await tables(connection)
        for log_id, tenant in ((1, "a"), (2, "b")):
            for table in sorted(names, key=lambda name: name != "logs"):
                await insert(connection, table, tenant, log_id)
        # A later shard has a tree of its own.
        for log_id in (1001, 1002):
            await insert(connection, "tiles", "", log_id)
        yield connection


def confined(dsn: str, **more: Any) -> Database:
    return Database(dsn, name="test", connections=1, role=API_ROLE, **more)


async def rows_seen(session: Any, table: str) -> list[asyncpg.Record]:
    try:
        found: list[asyncpg.Record] = await session.fetch(f"SELECT * FROM {table}")
    except asyncpg.InsufficientPrivilegeError:
        return []
    return found


def of_a(row: asyncpg.Record) -> bool:
    if "tenant" in row:
        return bool(row["tenant"] in ("a", "*"))
    return "log_id" in row and row["log_id"] in (1, 1001)


async def test_no_table_shows_a_tenant_a_row_of_another(dsn: str, filled: asyncpg.Connection) -> None:
    seen = 0
    async with confined(dsn) as database, database.session(reach=["a"]) as session:
        for table in await tables(filled):
            rows = await rows_seen(session, table)
            assert table in COMMON or all(map(of_a, rows)), table
            theirs = [row for row in await filled.fetch(f"SELECT * FROM {table}") if of_a(row)]
            assert len(rows) in (0, len(theirs)) or table in COMMON, table
            seen += bool(rows)
        assert [row["log_id"] for row in await session.fetch("SELECT log_id FROM tiles ORDER BY 1")] == [1, 1001]
    assert seen > 30


async def test_every_table_is_behind_the_wall(filled: asyncpg.Connection) -> None:
    """Where the role has no right to read a policy says the same: a right that is granted later opens no more."""
    found = await filled.fetch(
        "SELECT relname FROM pg_class WHERE relname = ANY($1) AND NOT relrowsecurity", await tables(filled)
    )
    assert [row["relname"] for row in found] == []
    change = filled.transaction()
    await change.start()
    try:
        names = await tables(filled)
        await filled.execute(";".join(f"GRANT SELECT ON {table} TO {API_ROLE}" for table in names))
        await filled.execute(f"SET LOCAL ROLE {API_ROLE}; SET LOCAL sealstream.reach = '{{a}}'")
        for table in names:
            assert table in COMMON or all(map(of_a, await filled.fetch(f"SELECT * FROM {table}"))), table
    finally:
        await change.rollback()


async def test_a_session_without_a_reach_sees_nothing(dsn: str, filled: asyncpg.Connection) -> None:
    async with confined(dsn) as database, database.session() as session:
        for table in await tables(filled):
            assert await rows_seen(session, table) == [], table


async def test_the_platforms_own_work_sees_all_that_it_may_read(dsn: str, filled: asyncpg.Connection) -> None:
    async with confined(dsn, reach=EVERYBODY) as database, database.session() as session:
        for table in ("results", "logs", "bundles", "identities", "people", "tiles", "api_keys"):
            assert len(await rows_seen(session, table)) == await filled.fetchval(f"SELECT count(*) FROM {table}")


async def test_partitions_are_no_way_around(dsn: str, filled: asyncpg.Connection) -> None:
    names = await filled.fetch("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'")
    assert len(names) > 10
    async with confined(dsn) as database, database.session(reach=EVERYBODY) as session:
        for row in names:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await session.fetch(f"SELECT * FROM {row['relname']}")


async def test_evidence_can_be_neither_changed_nor_deleted(dsn: str, filled: asyncpg.Connection) -> None:
    async with confined(dsn) as database, database.session(reach=EVERYBODY) as session:
        for table in await tables(filled):
            (first, *_) = [each["name"] for each in await columns(filled, table)]
            for verb, statement in (
                ("UPDATE", f'UPDATE {table} SET "{first}" = "{first}"'),
                ("DELETE", f"DELETE FROM {table}"),
                ("TRUNCATE", f"TRUNCATE {table}"),
            ):
                if (table, verb) not in CHANGED or verb == "UPDATE":
                    with pytest.raises(asyncpg.InsufficientPrivilegeError):
                        await session.execute(statement)
        await session.execute("UPDATE access_requests SET used = used + 1")
        for column in ("body", "tenant"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await session.execute(f"UPDATE access_requests SET {column} = {column}")


async def test_rows_of_another_tenant_can_not_be_written_either(dsn: str, filled: asyncpg.Connection) -> None:
    async with confined(dsn) as database, database.session(reach=["a"]) as session:
        for tenant in ("a", "b"):
            put = session.execute("INSERT INTO access_requests VALUES ($1, $2, '')", uuid4(), tenant)
            if tenant == "a":
                await put
            else:
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                    await put


async def test_a_reach_ends_with_its_session(dsn: str, filled: asyncpg.Connection) -> None:
    async def seen(reach: list[str] | None, *, clean: bool) -> list[str]:
        async with database.session(clean=clean, reach=reach) as session:
            return [row["tenant"] for row in await session.fetch("SELECT tenant FROM results ORDER BY 1")]

    async with confined(dsn) as database:  # one connection: each session gets the same
        for clean, then in itertools.product((True, False), repeat=2):
            assert await seen(["a"], clean=clean) == ["a"]
            assert await seen(None, clean=then) == []
            assert await seen(["b", "a"], clean=clean) == ["a", "b"]
            assert await seen(["b"], clean=then) == ["b"]
            assert await seen(['x", "*", "y', "{*}", "*,*"], clean=clean) == []


async def test_a_login_that_is_a_member_alone_gets_no_further(
    dsn: str, databases: Databases, filled: asyncpg.Connection
) -> None:
    name = f"login_{uuid4().hex[:8]}"
    await databases.as_superuser(f"CREATE ROLE {name} LOGIN PASSWORD 'x' IN ROLE {API_ROLE}")
    place = urlsplit(dsn)
    own = urlunsplit(place._replace(netloc=f"{name}:x@{place.hostname}:{place.port}"))
    try:
        async with confined(own) as database, database.session(reach=["a"]) as session:
            await session.execute("RESET ROLE")
            assert [row["tenant"] for row in await session.fetch("SELECT tenant FROM results")] == ["a"]
            for statement in ("SET ROLE sealstream", "SET row_security = off; SELECT * FROM results",
                              "ALTER TABLE results DISABLE ROW LEVEL SECURITY"):  # fmt: skip
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await session.execute(statement)
    finally:
        await databases.as_superuser(f"DROP ROLE {name}")


async def test_a_login_that_may_not_take_the_role_is_told(dsn: str, databases: Databases) -> None:
    with pytest.raises(StorageError, match="no role nobody_at_all that this login may take"):
        async with Database(dsn, name="test", role="nobody_at_all"):
            pass
    name = f"login_{uuid4().hex[:8]}"
    await databases.as_superuser(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    place = urlsplit(dsn)
    own = urlunsplit(place._replace(netloc=f"{name}:x@{place.hostname}:{place.port}"))
    try:
        with pytest.raises(StorageError, match="GRANT sealstream_api"):
            async with confined(own):
                pass
    finally:
        await databases.as_superuser(f"DROP ROLE {name}")


async def test_an_owner_that_may_make_no_roles_migrates_where_the_role_is_there(databases: Databases) -> None:
    name = f"owner_{uuid4().hex[:8]}"
    database = await databases.create(empty=True)
    await databases.as_superuser(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    await databases.as_superuser(f"ALTER DATABASE {database} OWNER TO {name}")
    place = urlsplit(databases.dsn(database))
    try:
        await migrate(urlunsplit(place._replace(netloc=f"{name}:x@{place.hostname}:{place.port}")))
        async with confined(databases.dsn(database)) as found, found.session(reach=["a"]) as session:
            assert await session.fetch("SELECT * FROM results") == []
    finally:
        await databases.drop(database)
        await databases.as_superuser(f"DROP ROLE {name}")


async def test_a_commit_of_very_many_rows_is_written_without_copy(dsn: str, filled: asyncpg.Connection) -> None:
    rows = CommitRows(data_keys=[(10_000 + n, "a", "d", 1, "k", b"") for n in range(COPY_FROM)])
    async with confined(dsn) as database, database.session(reach=EVERYBODY) as session:
        await write_rows(session, rows)
    assert await filled.fetchval("SELECT count(*) FROM data_keys WHERE pass_id >= 10000") == COPY_FROM


async def test_the_reach_is_found_out_once_for_each_statement(dsn: str, filled: asyncpg.Connection) -> None:
    await filled.execute(
        "INSERT INTO results SELECT gen_random_uuid(), gen_random_uuid(), 0, 1, 'a', 'd', n, 0, 't', 'accepted', NULL,"
        " NULL, n, '', clock_timestamp() FROM generate_series(1, 5000) AS n"
    )
    await filled.execute("ANALYZE results")
    async with confined(dsn) as database, database.session(reach=["a"]) as session:
        assert len(await list_results(session, tenant=None, limit=100)) == 100
        plan = "\n".join(
            row[0]
            for row in await session.fetch(
                "EXPLAIN (ANALYZE) SELECT * FROM results ORDER BY created_at DESC, record_id LIMIT 100"
            )
        )
    assert "InitPlan" in plan
    assert "SubPlan" not in plan
    assert "Index Scan" in plan, plan
    assert all("loops=1)" in line for line in plan.splitlines() if "->  Result" in line), plan
