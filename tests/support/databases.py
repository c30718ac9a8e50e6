"""Clean databases on an embedded server: copies of a migrated template, emptied and used again.

Making a database means making some three hundred files, emptying one a few statements. Only for tests: the server's
superuser makes and drops databases, which no program of ours may do.
"""

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from schemas.catalogue import DEFAULT_CATALOGUE
from streams.embedded import DataDirectory, EmbeddedPostgres
from streams.storage.catalogue import seed_catalogue, unregistered_rows
from streams.storage.database import Connection, Database
from streams.storage.migrate import migrate
from tests.support import known_types

SETTINGS: Final = {
    # Making and dropping a database syncs the whole cluster; nothing here is to survive a power cut.
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "400",  # of several processes with pools for many databases
}


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A server for tests, which somebody runs.

    Attributes:
        dsn: Of the migrated, otherwise empty database that others are copies of; nobody stays connected to it.
        password: The superuser's.
        log: What the server wrote.
    """

    dsn: str = field(repr=False)
    password: str = field(repr=False)
    log: Path

    async def as_superuser(self, statement: str) -> None:
        """Run one statement as the server's superuser."""
        place = urlsplit(self.dsn)
        connection = await asyncpg.connect(
            host=place.hostname, port=place.port, user="postgres", password=self.password, database="postgres"
        )
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@asynccontextmanager
async def postgres_server() -> AsyncIterator[PostgresServer]:
    """Run a server with a template."""
    # Not pytest's directory: the server's own user can't enter it when we are root.
    with DataDirectory() as directory:
        place = directory / "postgres"
        async with _started(place) as server:
            for setting, value in SETTINGS.items():
                await server.as_superuser(f"ALTER SYSTEM SET {setting} = {value}")
        async with _started(place) as server:
            await migrate(server.dsn)
            async with (
                Database(server.dsn, name="template", connections=1) as database,
                database.session() as connection,
            ):
                await seed_catalogue(connection, DEFAULT_CATALOGUE)
            yield server


@asynccontextmanager
async def _started(place: Path) -> AsyncIterator[PostgresServer]:
    async with EmbeddedPostgres(place, temporary=True) as postgres:
        password = (place / "superuser.password").read_text().strip()
        yield PostgresServer(postgres.dsn, password, place / "postgres.log")


class Databases:
    """The databases of one test process. An async context manager."""

    def __init__(self, server: PostgresServer | None = None, process: str = "alone") -> None:
        """Nothing happens before the context is entered.

        Args:
            server: Whose databases, together with other processes; None to run one.
            process: A name that no other process of that server's has.
        """
        self._server = server
        self._process = process
        self._clean: list[str] = []
        self._pools: dict[str, Database] = {}
        self._exit = AsyncExitStack()
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            known_types.install()
            self._server = self._server or await stack.enter_async_context(postgres_server())
            self._exit = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exit.aclose()

    @property
    def server(self) -> PostgresServer:
        """Where they are."""
        assert self._server is not None, "enter the context first"
        return self._server

    def dsn(self, name: str) -> str:
        """Where a database of this server is reached by the application's role."""
        return urlunsplit(urlsplit(self.server.dsn)._replace(path=f"/{name}"))

    async def create(self, template: str | None = None, *, empty: bool = False) -> str:
        """Make a database; returns its name. Nobody may be connected to the template."""
        name = f"test_{self._process}_{next(self._numbers)}"
        source = "template0" if empty else template or urlsplit(self.server.dsn).path.lstrip("/")
        await self.as_superuser(f"CREATE DATABASE {name} TEMPLATE {source} OWNER sealstream")
        return name

    async def replace(self, name: str, template: str) -> None:
        """Make a database anew under the name of one, as a copy of another."""
        await self.drop(name)
        await self.as_superuser(f"CREATE DATABASE {name} TEMPLATE {template} OWNER sealstream")

    async def drop(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        await self.as_superuser(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    @asynccontextmanager
    async def clean(self) -> AsyncIterator[str]:
        """A migrated database without any record; gives its DSN. Rows may be changed at will, tables may not."""
        name = self._clean.pop() if self._clean else await self.create()
        yield self.dsn(name)
        # Not in a finally clause: who knows what a failed test left behind.
        async with (await self.pool(self.dsn(name))).session(clean=True) as connection, connection.transaction():
            await empty_tables(connection)
        self._clean.append(name)

    async def remember(self, dsn: str) -> None:
        """Keep every row of a database that was made for this, for `remembered`."""
        async with (await self.pool(dsn)).session(clean=True) as connection, connection.transaction():
            await remember_tables(connection)

    @asynccontextmanager
    async def remembered(self, dsn: str) -> AsyncIterator[Database]:
        """Connections to that database; whatever rows the body changes are as they were afterwards.

        Much cheaper than a copy of the database for each test.
        """
        database = await self.pool(dsn)
        try:
            yield database
        finally:
            async with database.session(clean=True) as connection, connection.transaction():
                await restore_tables(connection)

    async def pool(self, dsn: str) -> Database:
        """Connections to a database, kept for whoever uses it next: they know its tables, which new ones must learn."""
        if dsn not in self._pools:
            database = Database(dsn, name="test", connections=8)
            self._pools[dsn] = await self._exit.enter_async_context(database)
        return self._pools[dsn]

    @asynccontextmanager
    async def fresh(self, template: str | None = None, *, empty: bool = False) -> AsyncIterator[str]:
        """A database that nobody has used before; gives its DSN."""
        name = await self.create(template, empty=empty)
        try:
            yield self.dsn(name)
        finally:
            await self.drop(name)

    async def as_superuser(self, statement: str) -> None:
        """Run one statement as the server's superuser."""
        await self.server.as_superuser(statement)


@asynccontextmanager
async def connected(dsn: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A connection of the test's own."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def tables(connection: "asyncpg.Connection[asyncpg.Record] | Connection") -> list[str]:
    """The names of our tables; a partitioned one has one name."""
    rows = await connection.fetch(
        """
        SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition
        AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version' ORDER BY 1
        """
    )
    return [row["relname"] for row in rows]


async def empty_tables(connection: Connection) -> None:
    """Make a used database like a new one.

    In few round trips, and only where something is to do: a thousand tests end like this.
    """
    used = await filled(connection, await tables(connection))
    described = set(await unregistered_rows(connection)) == set(DEFAULT_CATALOGUE)
    if described:
        used.remove("catalogue_fields")
    if used:
        await connection.execute(";".join(f"DELETE FROM {name}" for name in used))
    # To restart them would give each a new file.
    await connection.execute(
        "SELECT setval(sequencename::regclass, start_value, false) FROM pg_sequences WHERE last_value IS NOT NULL"
    )
    if not described:
        await seed_catalogue(connection, DEFAULT_CATALOGUE)


async def filled(connection: Connection, names: Sequence[str]) -> list[str]:
    """Those of these tables that hold rows."""
    found = await connection.fetchrow("SELECT " + ", ".join(f'EXISTS (SELECT FROM {n}) AS "{n}"' for n in names))
    assert found is not None
    return [name for name in names if found[name]]


async def remember_tables(connection: Connection) -> None:
    """Keep a copy of every row, for `restore_tables`."""
    await connection.execute("CREATE SCHEMA remembered")
    for table in await filled(connection, await tables(connection)):
        await connection.execute(f"CREATE TABLE remembered.{table} AS TABLE {table}")


async def restore_tables(connection: Connection) -> None:
    """Bring every row back to what it was; sequences go on."""
    kept = await connection.fetch("SELECT relname FROM pg_class WHERE relnamespace = 'remembered'::regnamespace")
    used = await filled(connection, await tables(connection))
    await connection.execute(
        ";".join(
            [f"DELETE FROM {name}" for name in used]
            + [f"INSERT INTO {row['relname']} SELECT * FROM remembered.{row['relname']}" for row in kept]
        )
    )
