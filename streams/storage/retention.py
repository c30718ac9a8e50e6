"""Dropping the leaves and tiles of a closed shard, and bringing them back.

What stays is what everything else hangs on: commits with their hashes and signatures, places, checkpoints,
cosignatures, timestamps; and the leaves by which shards are tied together or said to be held outside.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from schemas.errors import ConfigurationError
from streams.storage.database import Connection
from streams.storage.sequencing import LogRow

StoredBundle = tuple[int, int, list[int], bytes]
"""Log id, commit id, end of each leaf in the bytes, and these: a row of `bundles`."""

_IN_SHARD = "p.log_id = $1 AND p.first_index >= $2 AND p.first_index < $3"
# The first leaf of a later shard and the last leaf of a closed one say how they are tied together; and that an earlier
# one was dropped must not go with this one.
_LOOSE = """
    p.first_index + p.leaf_count < $3 AND NOT ($4 AND p.first_index = $2)
    AND NOT EXISTS (SELECT 1 FROM dropped_shards d WHERE d.log_id = p.log_id AND d.commit_id = p.commit_id)
    """


async def waiting_records(connection: Connection, row: LogRow) -> int:
    """Records that a shard's leaves accepted for later, and that still wait in a lane."""
    count: int = await connection.fetchval(
        f"""
        SELECT count(*) FROM deferred d JOIN placements p USING (log_id, commit_id)
        WHERE {_IN_SHARD} AND d.state = 'accepted'
        """,  # noqa: S608 our own text
        row.log_id,
        row.start,
        row.end,
    )
    return count


async def drop_leaves(connection: Connection, row: LogRow, commit_id: int) -> int:
    """Drop a shard's leaves and tiles; within the transaction that brings the commit which says so.

    Returns:
        How many bytes of leaves were dropped.

    Raises:
        ConfigurationError: They are dropped already.
    """
    try:
        await connection.execute(
            "INSERT INTO dropped_shards (log_id, n, commit_id) VALUES ($1, $2, $3)", row.log_id, row.shard, commit_id
        )
    except asyncpg.UniqueViolationError as exc:
        raise ConfigurationError(f"the leaves of {row.origin} are dropped already") from exc
    dropped: int = await connection.fetchval(
        f"""
        WITH gone AS (
            DELETE FROM bundles b USING placements p
            WHERE {_IN_SHARD} AND {_LOOSE} AND b.log_id = p.log_id AND b.commit_id = p.commit_id
            RETURNING octet_length(b.body) AS bytes)
        SELECT coalesce(sum(bytes), 0)::bigint FROM gone
        """,  # noqa: S608 our own text
        row.log_id,
        row.start,
        row.end,
        row.shard > 0,
    )
    await connection.execute("DELETE FROM tiles WHERE log_id = $1", row.tree)
    return dropped


@dataclass(frozen=True, slots=True)
class DroppedCommit:
    """A commit without its leaves.

    Attributes:
        hashes: Packed, of its leaves.
    """

    first_index: int
    leaf_count: int
    commit_id: int
    hashes: bytes


async def dropped_commits(connection: Connection, row: LogRow, after: int, limit: int) -> list[DroppedCommit]:
    """A shard's commits without leaves, behind a place, in order."""
    rows = await connection.fetch(
        f"""
        SELECT p.first_index, p.leaf_count, p.commit_id, c.hashes
        FROM placements p JOIN commits c ON c.log_id = p.log_id AND c.commit_id = p.commit_id
        WHERE {_IN_SHARD} AND p.first_index > $4
            AND NOT EXISTS (SELECT 1 FROM bundles b WHERE b.log_id = p.log_id AND b.commit_id = p.commit_id)
        ORDER BY p.first_index LIMIT $5
        """,  # noqa: S608 our own text
        row.log_id,
        row.start,
        row.end,
        after,
        limit,
    )
    return [DroppedCommit(**each) for each in rows]


async def bring_back(connection: Connection, rows: Sequence[StoredBundle]) -> None:
    """Put leaves back."""
    await connection.copy_records_to_table("bundles", records=rows, columns=("log_id", "commit_id", "ends", "body"))


async def bring_back_tiles(connection: Connection, row: LogRow, tiles: Sequence[tuple[int, int, bytes]]) -> None:
    """Put full tiles back, as (level, index, hashes)."""
    await connection.copy_records_to_table(
        "tiles",
        records=[(row.tree, *tile) for tile in tiles],
        columns=("log_id", "level", "index", "hashes"),
    )


async def no_longer_dropped(connection: Connection, row: LogRow) -> None:
    """The shard's leaves and tiles are here again."""
    await connection.execute("DELETE FROM dropped_shards WHERE log_id = $1 AND n = $2", row.log_id, row.shard)
