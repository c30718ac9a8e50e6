"""Which server a connection leads to: a standby that took over, or a restored server, is not the one we began with.

What a process read from the first one may be untrue in the second: it must start anew, and compare with what is
published before it goes on.
"""

from dataclasses import dataclass

import asyncpg

from schemas.errors import StorageError


class DatabaseReplaced(StorageError):
    """Another server, or another history of the same one, answers now."""


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """A server and its history: each promotion and each restore to an earlier moment begins a new timeline."""

    system_id: int
    timeline: str


async def server_identity(connection: "asyncpg.Connection[asyncpg.Record]") -> ServerIdentity | None:
    """Who answers; None while it is a standby, which writes no history of its own."""
    row = await connection.fetchrow(
        """
        SELECT system_identifier, CASE WHEN NOT pg_is_in_recovery()
            THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline
        FROM pg_control_system()
        """
    )
    if row is None or row["timeline"] is None:
        return None
    return ServerIdentity(row["system_identifier"], row["timeline"])


class SameServer:
    """Refuses new connections to any other server than the first."""

    def __init__(self) -> None:
        self._first: ServerIdentity | None = None

    async def check(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Compare a new connection's server with the first one's.

        Raises:
            DatabaseReplaced: They differ.
        """
        found = await server_identity(connection)
        if found is None:
            return
        if self._first is None:
            self._first = found
        elif found != self._first:
            raise DatabaseReplaced(
                "another database server answers than when this process started (a failover or a restore); it ends, "
                "so that the next one compares the database with what is published"
            )
