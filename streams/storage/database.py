"""The pool of connections to PostgreSQL, with the session settings that every process needs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self, TypeAlias

import asyncpg

from schemas.errors import StorageError
from streams.storage.unreachable import why_unreachable

# A stopped process that holds a transaction would stop its successors; the server ends such a session.
IDLE_IN_TRANSACTION_MS: Final = 2_000

CONNECT_ERRORS: Final = (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What connecting can raise: refused, a URL that is none, a database that says no."""

# Generic in the stubs alone.
Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"


class Database:
    """A pool. Use as an async context manager; `session` gives a connection."""

    def __init__(self, dsn: str, *, name: str, connections: int = 4) -> None:
        self._dsn = dsn
        self._name = name
        self._connections = connections
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def __aenter__(self) -> Self:
        try:
            self._pool = await asyncpg.create_pool(
                self._dsn,
                min_size=1,
                max_size=self._connections,
                server_settings={
                    "application_name": self._name,
                    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
                    "timezone": "UTC",
                    # These tables are read by key; a compiled plan costs more than it saves.
                    "jit": "off",
                },
            )
        except CONNECT_ERRORS as exc:
            raise StorageError(why_unreachable(exc)) from exc
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._pool is not None:
            await self._pool.close()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Connection]:
        """A connection from the pool, given back at the end."""
        if self._pool is None:
            raise StorageError("the database is used outside its context; enter it first")
        async with self._pool.acquire() as connection:
            yield connection

    def __repr__(self) -> str:
        return f"Database(name={self._name!r})"
