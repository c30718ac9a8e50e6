"""Ending sessions whose client stopped in the middle of a statement.

A process stopped between two statements is ended by `idle_in_transaction_session_timeout`. One stopped while it sends
rows (COPY) is not: to the server that statement is running, and no timeout interrupts a wait for the client's bytes.
Its locks would hold up everybody else on its partitions until it is continued or killed.
"""

from typing import Final

import structlog

from streams.storage.database import Connection

log = structlog.get_logger(__name__)

STALLED_SECONDS: Final = 5.0
"""A client that works sends its rows without a pause; waiting for an answer of its own takes it milliseconds."""


async def end_stalled_sessions(connection: Connection) -> int:
    """End this role's sessions on this database that have waited for their client so long; returns how many.

    Ending one is safe: its transaction is rolled back, and whoever it belonged to asks the database what became of it.
    """
    ended: int = await connection.fetchval(
        """
        SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()
            AND state = 'active' AND wait_event_type = 'Client' AND wait_event = 'ClientRead'
            AND clock_timestamp() - query_start > make_interval(secs => $1)
        """,
        STALLED_SECONDS,
    )
    if ended:
        log.warning("database.stalled_sessions_ended", sessions=ended)
    return ended
