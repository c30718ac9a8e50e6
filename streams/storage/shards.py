"""Shards: a tenant's log goes on in a new tree after each closing, so that the former one can be kept elsewhere.

Commits and all that hangs on them name the log, and whoever writes them knows nothing of shards: only the sequencer
does, which gives each commit its place. Places count on through all shards; tiles, checkpoints and what others say of
them belong to one shard's tree.
"""

from dataclasses import dataclass
from typing import Final

import asyncpg

from schemas.errors import ConfigurationError, StorageError
from streams.storage.commit_rows import CommitRows, write_rows
from streams.storage.database import Connection
from streams.storage.sequencing import ContradictoryRows, LogAdvance, LogRow, advance

SHARDS: Final = """
    SELECT l.log_id, l.tenant, l.origin, 0 AS shard, l.log_id AS tree_id, 0::bigint AS start, next.start AS "end",
        coalesce(next.lost, 0) AS lost, 0 AS key,
        EXISTS (SELECT 1 FROM dropped_shards d WHERE d.log_id = l.log_id AND d.n = 0) AS is_dropped
    FROM logs l LEFT JOIN shards next ON next.log_id = l.log_id AND next.n = 1
    UNION ALL
    SELECT s.log_id, l.tenant, s.origin, s.n, s.tree_id, s.start, next.start, coalesce(next.lost, 0), s.key,
        EXISTS (SELECT 1 FROM dropped_shards d WHERE d.log_id = s.log_id AND d.n = s.n)
    FROM shards s JOIN logs l USING (log_id) LEFT JOIN shards next ON next.log_id = s.log_id AND next.n = s.n + 1
    WHERE s.start IS NOT NULL
    """
"""Every shard that has leaves or may get some; a subquery."""


@dataclass(frozen=True, slots=True)
class NextShard:
    """A shard that was asked for, and begins once the one before it is final.

    Attributes:
        closing: The commit whose leaf is the last of the one before.
        key: Which of the log's keys signs it.
    """

    log_id: int
    n: int
    tree_id: int
    origin: str
    closing: int
    key: int


async def list_shards(connection: Connection, tenant: str | None = None) -> list[LogRow]:
    """All shards of all logs or of one, in the order in which they were opened, log by log."""
    rows = await connection.fetch(
        f"SELECT * FROM ({SHARDS}) AS s WHERE $1::text IS NULL OR tenant = $1 ORDER BY log_id, shard",  # noqa: S608
        tenant,
    )
    return [LogRow(**row) for row in rows]


async def open_shard(connection: Connection, row: LogRow) -> LogRow:
    """The shard of a log that gets new leaves."""
    found = await connection.fetchrow(
        f"SELECT * FROM ({SHARDS}) AS s WHERE log_id = $1 ORDER BY shard DESC LIMIT 1",  # noqa: S608
        row.log_id,
    )
    return LogRow(**found) if found else row


async def shard_at(connection: Connection, log_id: int, place: int) -> LogRow:
    """The shard that holds a log's leaf, by its place among the leaves of all shards.

    Raises:
        StorageError: There is no such log.
    """
    found = await connection.fetchrow(
        f"SELECT * FROM ({SHARDS}) AS s WHERE log_id = $1 AND start <= $2 ORDER BY shard DESC LIMIT 1",  # noqa: S608
        log_id,
        place,
    )
    if found is None:
        raise StorageError(f"log number {log_id} is not there; run `sealstream audit verify`")
    return LogRow(**found)


async def next_shard(connection: Connection, log_id: int) -> NextShard | None:
    """The shard that begins behind a closing whose leaf is committed; None where none is asked for."""
    row = await connection.fetchrow(
        "SELECT log_id, n, tree_id, origin, closing, key FROM shards WHERE log_id = $1 AND start IS NULL", log_id
    )
    return NextShard(**row) if row else None


async def place_of_commit(connection: Connection, log_id: int, commit_id: int) -> tuple[int, int] | None:
    """First index and leaf count of a commit; None while it waits for its place."""
    row = await connection.fetchrow(
        "SELECT first_index, leaf_count FROM placements WHERE log_id = $1 AND commit_id = $2", log_id, commit_id
    )
    return (row["first_index"], row["leaf_count"]) if row else None


async def ask_next(connection: Connection, log_id: int, n: int, origin: str, closing: int, key: int) -> None:
    """Have a log go on in a new shard behind a commit; within the transaction that brings it.

    Raises:
        ConfigurationError: It was asked for before, and the one before is not final yet.
    """
    try:
        await _insert(connection, log_id, n, origin, key, closing, None, 0)
    except asyncpg.UniqueViolationError as exc:
        raise ConfigurationError(
            f"shard {n - 1} of this log is being closed already; its successor opens once a sequencer has placed "
            "everything before it"
        ) from exc


async def open_next(connection: Connection, following: NextShard, rows: CommitRows, step: LogAdvance) -> None:
    """Begin the shard that was asked for, with its first leaf, all or nothing.

    Raises:
        Fenced: Another sequencer has taken over.
        ContradictoryRows: It has begun already, or was changed meanwhile.
    """
    async with connection.transaction():
        begun = await connection.fetchval(
            "UPDATE shards SET start = $4 WHERE log_id = $1 AND n = $2 AND closing = $3 AND start IS NULL RETURNING n",
            following.log_id,
            following.n,
            following.closing,
            step.previous,
        )
        if begun is None:
            raise ContradictoryRows(f"shard {following.origin} has begun already, or its row was changed")
        await write_rows(connection, rows)
        await advance(connection, step)


async def recover_next(connection: Connection, before: LogRow, n: int, origin: str, key: int, start: int) -> None:
    """Bring back the row of a shard that was opened after the database was copied, behind one that is whole again."""
    await connection.execute(
        """
        INSERT INTO shards AS s (log_id, n, tree_id, origin, key, closing, start)
        SELECT $1, $2, nextval(pg_get_serial_sequence('logs', 'log_id')), $3, $5, commit_id, $4 FROM placements
        WHERE log_id = $1 AND first_index + leaf_count = $4 ORDER BY first_index DESC LIMIT 1
        ON CONFLICT (log_id, n) DO UPDATE SET start = $4, closing = excluded.closing WHERE s.start IS NULL
        """,
        before.log_id,
        n,
        origin,
        start,
        key,
    )


async def declare_next(
    connection: Connection, row: LogRow, n: int, origin: str, rows: CommitRows, step: LogAdvance, lost: int
) -> None:
    """Begin a shard behind one that could not be brought back whole, with its first leaf, all or nothing.

    Args:
        step: Places the leaf; its `previous` is where the lost leaves would have ended.
    """
    async with connection.transaction():
        # What was asked for behind a closing is void: nothing closes any more what is lost.
        await connection.execute("DELETE FROM shards WHERE log_id = $1 AND start IS NULL", row.log_id)
        await _insert(connection, row.log_id, n, origin, row.key, None, step.previous, lost)
        await write_rows(connection, rows)
        await advance(connection, step)


async def _insert(
    connection: Connection,
    log_id: int,
    n: int,
    origin: str,
    key: int,
    closing: int | None,
    start: int | None,
    lost: int,
) -> None:
    # Trees and logs share one sequence: a tree's number never is another log's.
    await connection.execute(
        """
        INSERT INTO shards (log_id, n, tree_id, origin, key, closing, start, lost)
        VALUES ($1, $2, nextval(pg_get_serial_sequence('logs', 'log_id')), $3, $4, $5, $6, $7)
        """,
        log_id,
        n,
        origin,
        key,
        closing,
        start,
        lost,
    )
