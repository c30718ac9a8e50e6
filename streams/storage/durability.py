"""What the database's configuration calls durable, and waiting until what we read is that.

A commit that waits for a standby is visible before the standby has it: when its wait is cancelled, or the server
restarts, its rows stay. Whoever publishes what it read would then tell the world of something that a failover forgets.
The write-ahead log is one sequence, so a later commit that did wait vouches for all that were visible before it.
"""

from typing import Final

import asyncpg
import structlog

from schemas.errors import ConfigurationError, Unavailable
from streams.storage.database import Connection

log = structlog.get_logger(__name__)

WEAK: Final = frozenset({"off", "local", "remote_write"})
"""Values of synchronous_commit under which a commit returns before it is durable."""


class NotDurable(Unavailable):
    """The standby did not confirm what was read; it may do so later."""


async def synchronous_standbys(connection: Connection) -> str:
    """The standbys that commits wait for, as the server is configured; empty when they wait for none."""
    found: str = await connection.fetchval("SELECT current_setting('synchronous_standby_names')")
    return found


async def settle(connection: Connection) -> None:
    """Return once everything that is visible now is durable; not within a transaction.

    Without synchronous standbys it is already: commits reach the disk before they become visible. With them, a
    transaction of our own that writes nothing but its place in the write-ahead log is committed and waited for.

    Raises:
        NotDurable: The wait was cancelled: the server returns a commit then as if it had succeeded, with a warning.
    """
    if not await synchronous_standbys(connection):
        return
    warnings: list[str] = []

    def listen(_: object, message: asyncpg.PostgresLogMessage) -> None:
        warnings.append(str(getattr(message, "message", "")))

    connection.add_log_listener(listen)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_logical_emit_message(true, 'sealstream', '')")
    finally:
        connection.remove_log_listener(listen)
    if warnings:
        raise NotDurable("the wait for the synchronous standby was cancelled; what was read may not be on it yet")


async def check_durable(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Refuse a server, role or database that is configured to lose commits.

    Sessions of ours ask for `synchronous_commit = on` whatever the default is; where it is weaker, somebody meant to
    trade safety for speed, and should know that it is not traded here.

    Raises:
        ConfigurationError: Which setting, and what to do.
    """
    commits = await connection.fetchval("SELECT current_setting('synchronous_commit')")
    if commits in WEAK:
        raise ConfigurationError(
            f"synchronous_commit is {commits!r} for this role or database: commits would return before they are "
            "durable; set it to 'on' (ALTER ROLE … SET synchronous_commit = 'on')"
        )
    for setting in ("fsync", "full_page_writes"):
        if await connection.fetchval("SELECT current_setting($1)", setting) != "on":
            raise ConfigurationError(
                f"{setting} is off: a crash of the database's machine would lose commits; set it on"
            )
