"""What timestamp authorities said about checkpoints, and which checkpoint to ask about next."""

import datetime as dt
from dataclasses import dataclass

from streams.storage.database import Connection
from streams.storage.shards import SHARDS


@dataclass(frozen=True, slots=True)
class Unstamped:
    """A log's newest checkpoint, which has no timestamp.

    Attributes:
        note: As the log signed it, without cosignatures.
        behind: Seconds since the first checkpoint after the last one that has a timestamp.
    """

    log_id: int
    origin: str
    size: int
    note: str
    behind: float


@dataclass(frozen=True, slots=True)
class StoredTimestamp:
    """An authority's answer about the checkpoint of one size."""

    size: int
    response: bytes
    stamped_at: dt.datetime


async def unstamped(connection: Connection) -> list[Unstamped]:
    """The logs that have a checkpoint since their last timestamp."""
    rows = await connection.fetch(
        f"""
        SELECT l.tree_id AS log_id, l.origin, newest.size, newest.note,
            extract(epoch FROM clock_timestamp() - next.created_at)::float8 AS behind
        FROM ({SHARDS}) AS l
        CROSS JOIN LATERAL (
            SELECT coalesce(max(size), -1) AS size FROM timestamps t WHERE t.log_id = l.tree_id) AS last
        CROSS JOIN LATERAL (SELECT created_at FROM checkpoints c
            WHERE c.log_id = l.tree_id AND c.size > last.size ORDER BY size LIMIT 1) AS next
        CROSS JOIN LATERAL (SELECT size, note FROM checkpoints c
            WHERE c.log_id = l.tree_id ORDER BY size DESC LIMIT 1) AS newest
        ORDER BY l.tree_id
        """  # noqa: S608 our own text
    )
    return [Unstamped(**row) for row in rows]


async def store_timestamp(connection: Connection, log_id: int, timestamp: StoredTimestamp) -> None:
    """Keep a verified answer. One that is there already stays: it says the earlier time."""
    await connection.execute(
        "INSERT INTO timestamps (log_id, size, response, stamped_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        log_id,
        timestamp.size,
        timestamp.response,
        timestamp.stamped_at,
    )


async def stored_timestamps(connection: Connection, log_id: int) -> list[StoredTimestamp]:
    """Every answer, in order of sizes."""
    rows = await connection.fetch(
        "SELECT size, response, stamped_at FROM timestamps WHERE log_id = $1 ORDER BY size", log_id
    )
    return [StoredTimestamp(**row) for row in rows]


async def last_timestamp(connection: Connection, log_id: int) -> tuple[StoredTimestamp, str] | None:
    """The newest answer, with the note that it is about; None where there is none."""
    row = await connection.fetchrow(
        """
        SELECT t.size, t.response, t.stamped_at, c.note FROM timestamps t JOIN checkpoints c USING (log_id, size)
        WHERE log_id = $1 ORDER BY size DESC LIMIT 1
        """,
        log_id,
    )
    return (StoredTimestamp(row["size"], row["response"], row["stamped_at"]), row["note"]) if row else None
