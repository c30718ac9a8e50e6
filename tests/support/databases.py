"""Fresh databases on one embedded server: each is a copy of a migrated template, made in milliseconds.

Only for tests: the server's superuser makes and drops them, which no program of ours may do.
"""

import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from schemas.catalogue import DEFAULT_CATALOGUE
from streams.embedded import DataDirectory, EmbeddedPostgres
from streams.storage.catalogue import seed_catalogue
from streams.storage.database import Database
from streams.storage.migrate import migrate


class Databases:
    """One PostgreSQL server for a test session. An async context manager."""

    def __init__(self) -> None:
        self._exit = AsyncExitStack()
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            # Not pytest's directory: the server's own user can't enter it when we are root.
            directory: Path = stack.enter_context(DataDirectory())
            postgres = EmbeddedPostgres(directory / "postgres", temporary=True)
            await stack.enter_async_context(postgres)
            self._password = (directory / "postgres" / "superuser.password").read_text().strip()
            self._dsn = postgres.dsn
            # Making and dropping a database syncs the whole cluster; nothing here is to survive a power cut.
            for setting in ("fsync", "full_page_writes"):
                await self.as_superuser(f"ALTER SYSTEM SET {setting} = off")
            await self.as_superuser("SELECT pg_reload_conf()")
            await migrate(self._dsn)
            async with (
                Database(self._dsn, name="template", connections=1) as database,
                database.session() as connection,
            ):
                await seed_catalogue(connection, DEFAULT_CATALOGUE)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exit.aclose()

    @property
    def template(self) -> str:
        """Name of the migrated, otherwise empty database."""
        return urlsplit(self._dsn).path.lstrip("/")

    def dsn(self, name: str) -> str:
        """Where a database of this server is reached by the application's role."""
        return urlunsplit(urlsplit(self._dsn)._replace(path=f"/{name}"))

    async def create(self, template: str | None = None, *, empty: bool = False) -> str:
        """Make a database; returns its name. Nobody may be connected to the template."""
        name = f"test_{next(self._numbers)}"
        source = "template0" if empty else template or self.template
        await self.as_superuser(f"CREATE DATABASE {name} TEMPLATE {source} OWNER sealstream")
        return name

    async def drop(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        await self.as_superuser(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    @asynccontextmanager
    async def fresh(self, template: str | None = None, *, empty: bool = False) -> AsyncIterator[str]:
        """A database for one test; gives its DSN."""
        name = await self.create(template, empty=empty)
        try:
            yield self.dsn(name)
        finally:
            await self.drop(name)

    async def as_superuser(self, statement: str) -> None:
        """Run one statement as the server's superuser."""
        place = urlsplit(self._dsn)
        connection = await asyncpg.connect(
            host=place.hostname, port=place.port, user="postgres", password=self._password, database="postgres"
        )
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
