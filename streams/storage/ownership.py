"""Single owners of a job: a session advisory lock, with a beat that shows that its holder is alive.

The lock ends with its session: a killed owner is followed at once. A stopped one, or one behind a dead network, keeps
its session open and would block every successor. Therefore the session does nothing but beat; whoever waits for the
lock ends a holder's session that has been silent too long. PostgreSQL's own view of the session is the evidence: no
table is written for it. An owner that was only slow loses nothing but the job, since whoever writes as an owner also
fences, by an epoch in the database or by its producer's epoch at the broker.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg
import structlog

from schemas.errors import Unavailable
from streams.storage.database import Connection, Database

log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 0.5
BEAT_SECONDS: Final = 0.5
SILENT_SECONDS: Final = 3.0
"""A holder that has not beaten for so long is taken for dead. Six beats: a busy process misses some."""


_SESSION_ENDED: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a query raises on a session that the server ended; the last, when the news of it is still being read."""


class OwnershipLost(Unavailable):
    """The session that holds the job's lock has ended: somebody else may have the job by now."""


@asynccontextmanager
async def owned(
    database: Database,
    lock: int,
    standing_by: Callable[[], None] = lambda: None,
    *,
    silent_seconds: float = SILENT_SECONDS,
) -> AsyncIterator[None]:
    """Wait for the lock and hold it during the body, which is cancelled when the lock is lost.

    Args:
        standing_by: Told each time that somebody else holds the lock.
        silent_seconds: A holder that has not beaten for so long is taken for dead.

    Raises:
        OwnershipLost: The session ended, by a restart of the server or because a successor took us for dead.
    """
    async with database.session() as connection:
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock):
            standing_by()
            await _end_silent_holder(connection, lock, silent_seconds)
            await asyncio.sleep(RETRY_SECONDS)
        try:
            async with _beating(connection):
                yield
        finally:
            # The server unlocks when the session ends, whatever becomes of this.
            with suppress(*_SESSION_ENDED):
                await connection.execute("SELECT pg_advisory_unlock($1)", lock)


@asynccontextmanager
async def _beating(connection: Connection) -> AsyncIterator[None]:
    try:
        async with asyncio.TaskGroup() as group:
            beat = group.create_task(_beat(connection), name="owner's beat")
            try:
                yield
            finally:
                beat.cancel()
    except BaseExceptionGroup as failures:
        # One thing went wrong; what is cancelled in consequence is not part of the group.
        raise failures.exceptions[0] from None


async def _beat(connection: Connection) -> None:
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        try:
            await connection.fetchval("SELECT 1")
        except _SESSION_ENDED as exc:
            raise OwnershipLost(f"the session that holds the job's lock has ended ({type(exc).__name__})") from exc


async def _end_silent_holder(connection: Connection, lock: int, silent_seconds: float) -> None:
    """End the session that holds the lock, when its client has sent nothing for so long.

    Only sessions of our own role are seen and ended; another role's holder is waited for.
    """
    ended = await connection.fetchval(
        """
        SELECT pg_terminate_backend(a.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND (l.classid::bigint << 32 | l.objid::bigint) = $1
            AND a.usename = current_user AND a.state = 'idle'
            AND clock_timestamp() - a.state_change > make_interval(secs => $2)
        """,
        lock,
        silent_seconds,
    )
    if ended:
        log.warning("ownership.silent_holder_ended", lock=lock, silent_seconds=silent_seconds)
