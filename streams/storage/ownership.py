"""Single owners of a job: a session advisory lock, held as long as its connection lives."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from streams.storage.database import Connection, Database

RETRY_SECONDS: Final = 0.5


@asynccontextmanager
async def owned(database: Database, lock: int, standing_by: Callable[[], None]) -> AsyncIterator[Connection]:
    """Wait for the lock and give the connection that holds it; whoever writes also fences by an epoch.

    The lock ends with the connection, so a killed owner is followed within `RETRY_SECONDS`.

    Args:
        standing_by: Told each time that somebody else holds the lock.
    """
    async with database.session() as connection:
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock):
            standing_by()
            await asyncio.sleep(RETRY_SECONDS)
        try:
            yield connection
        finally:
            if not connection.is_closed():
                await connection.execute("SELECT pg_advisory_unlock($1)", lock)
