"""Which server a connection leads to: a standby that took over, or a restored server, is not the one we began with.

What a process read from the first one may be untrue in the second: it must start anew, and compare with what is
published before it goes on. A promotion or a restore to a moment begins another timeline; a copy of the data directory
that is put back does not, and is told by what it has written: less than the server had when it was last asked.
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
    found = await _ask(connection)
    return found[0] if found is not None else None


async def _ask(connection: "asyncpg.Connection[asyncpg.Record]") -> tuple[ServerIdentity, int] | None:
    """Who answers, and how far its log is on disk, in bytes; a crash never takes that back."""
    row = await connection.fetchrow(
        """
        SELECT system_identifier, timeline, written::bigint FROM pg_control_system(), LATERAL (
            SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline,
                pg_current_wal_flush_lsn() - '0/0'::pg_lsn AS written
            WHERE NOT pg_is_in_recovery()
        ) AS log
        """
    )
    return None if row is None else (ServerIdentity(row["system_identifier"], row["timeline"]), row["written"])


class SameServer:
    """Refuses any other server than the first, and an earlier state of it."""

    def __init__(self) -> None:
        self._first: ServerIdentity | None = None
        self._written = 0

    async def check(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Compare a connection's server with the one that answered before.

        Raises:
            DatabaseReplaced: It is another, or has less than it had.
        """
        before = self._written  # checks overlap, and the answers may come in any order
        asked = await _ask(connection)
        if asked is None:
            return
        found, written = asked
        if self._first is None:
            self._first = found
        if found != self._first or written < before:
            what = "another database server answers" if found != self._first else "the database has less"
            raise DatabaseReplaced(
                f"{what} than when this process last asked (a failover or a restore); it ends, so that the next one "
                "compares the database with what is published"
            )
        self._written = max(self._written, written)
