"""Reading a log's stored tree: leaf hashes, full tiles, leaves, and where a record's leaf stands.

Who reads a leaf here hashes it before using it. Making tiles and proofs of what is read is agents.log.tree.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

import asyncpg

from security.merkle import HASH_BYTES
from streams.storage.database import Connection


@dataclass(frozen=True, slots=True)
class LeafPlace:
    """Where a leaf stands; `index` is None while it waits for its place."""

    log_id: int
    index: int | None


async def tile_hashes(connection: Connection, log_id: int, level: int, indexes: Iterable[int]) -> dict[int, bytes]:
    """Full tiles of one level, by index."""
    rows = await connection.fetch(
        'SELECT "index", hashes FROM tiles WHERE log_id = $1 AND level = $2 AND "index" = ANY($3::bigint[])',
        log_id,
        level,
        list(indexes),
    )
    return {row["index"]: row["hashes"] for row in rows}


async def leaf_hashes(connection: Connection, log_id: int, start: int, end: int) -> bytes:
    """Packed hashes of the placed leaves from index `start` to before `end`; fewer where the log ends earlier."""
    rows = await _placed(connection, log_id, start, end, "c.hashes", "commits c")
    if not rows:
        return b""
    first = rows[0]["first_index"]
    packed = b"".join([row["hashes"] for row in rows])
    return packed[HASH_BYTES * (start - first) : HASH_BYTES * (end - first)]


async def leaf_bodies(connection: Connection, log_id: int, start: int, end: int) -> list[bytes]:
    """The leaves from index `start` to before `end`; fewer where the log ends earlier or a bundle is damaged."""
    rows = await _placed(connection, log_id, start, end, "c.ends, c.body", "bundles c")
    if not rows:
        return []
    first = rows[0]["first_index"]
    bodies = [row["body"][begin:stop] for row in rows for begin, stop in pairwise([0, *row["ends"]])]
    return bodies[start - first : end - first]


async def _placed(
    connection: Connection, log_id: int, start: int, end: int, columns: str, table: str
) -> list[asyncpg.Record]:
    """Rows of the commits that hold these indexes, in order."""
    return await connection.fetch(
        f"""
        SELECT p.first_index, {columns} FROM placements p JOIN {table} USING (log_id, commit_id)
        WHERE p.log_id = $1 AND p.first_index < $3 AND p.first_index >= coalesce(
            (SELECT max(first_index) FROM placements WHERE log_id = $1 AND first_index <= $2), 0)
        ORDER BY p.first_index
        """,  # noqa: S608 our own text
        log_id,
        start,
        end,
    )


async def place_of(connection: Connection, name: UUID) -> LeafPlace | None:
    """Where the first leaf of a record, a message or a dead letter stands; None where there is no such thing."""
    row = await connection.fetchrow(
        """
        SELECT f.log_id, p.first_index + f.leaf AS index FROM (
            SELECT log_id, commit_id, leaf, created_at FROM results WHERE record_id = $1
            UNION ALL SELECT log_id, commit_id, leaf, created_at FROM messages WHERE message_id = $1
            UNION ALL SELECT log_id, commit_id, leaf, created_at FROM dead_letters WHERE dead_letter_id = $1
        ) AS f LEFT JOIN placements p USING (log_id, commit_id)
        ORDER BY f.created_at, f.commit_id, f.leaf LIMIT 1
        """,
        name,
    )
    return LeafPlace(row["log_id"], row["index"]) if row else None


async def index_of(connection: Connection, log_id: int, commit_id: int, ordinal: int) -> int | None:
    """The index of a commit's leaf; None while it waits for its place."""
    index: int | None = await connection.fetchval(
        "SELECT first_index + $3 FROM placements WHERE log_id = $1 AND commit_id = $2", log_id, commit_id, ordinal
    )
    return index
