"""What an auditor's recomputation reads: every row of a log, batch by batch, in log order."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg

from streams.storage.database import Connection
from streams.storage.sequencing import PendingCommit

COMMITS_PER_BATCH: Final = 16


@dataclass(frozen=True, slots=True)
class PlacedCommit:
    """A place in the log with what should stand there; `commit` or `body` is None when the row is gone."""

    first_index: int
    leaf_count: int
    commit_id: int
    commit: PendingCommit | None
    ends: list[int] | None
    body: bytes | None


@dataclass(frozen=True, slots=True)
class CommitContents:
    """The rows that a batch of commits brought into one log, by (commit id, leaf ordinal)."""

    results: dict[tuple[int, int], list[asyncpg.Record]]
    messages: dict[tuple[int, int], list[asyncpg.Record]]
    dead_letters: dict[tuple[int, int], list[asyncpg.Record]]

    def by_table(self) -> Iterator[tuple[str, dict[tuple[int, int], list[asyncpg.Record]]]]:
        """Each table's name and rows."""
        yield "results", self.results
        yield "messages", self.messages
        yield "dead_letters", self.dead_letters


async def placed_commits(connection: Connection, log_id: int) -> AsyncIterator[list[PlacedCommit]]:
    """The log's places in order, a batch at a time."""
    after = -1
    while True:
        rows = await connection.fetch(
            """
            SELECT p.first_index, p.leaf_count AS placed_count, p.commit_id, c.leaf_count, c.leaves_root, c.hashes,
                c.watermark, c.worker_id, c.signature, b.ends, b.body
            FROM (SELECT * FROM placements WHERE log_id = $1 AND first_index > $2
                  ORDER BY first_index LIMIT $3) AS p
            LEFT JOIN commits c ON c.log_id = $1 AND c.commit_id = p.commit_id
            LEFT JOIN bundles b ON b.log_id = $1 AND b.commit_id = p.commit_id
            ORDER BY p.first_index
            """,
            log_id,
            after,
            COMMITS_PER_BATCH,
        )
        if not rows:
            return
        yield [_placed(row) for row in rows]
        after = rows[-1]["first_index"]


def _placed(row: asyncpg.Record) -> PlacedCommit:
    commit = None
    if row["leaves_root"] is not None:
        commit = PendingCommit(
            row["commit_id"],
            row["leaf_count"],
            row["leaves_root"],
            row["hashes"],
            row["watermark"],
            row["worker_id"],
            row["signature"],
        )
    return PlacedCommit(row["first_index"], row["placed_count"], row["commit_id"], commit, row["ends"], row["body"])


async def commit_contents(connection: Connection, log_id: int, commit_ids: list[int]) -> CommitContents:
    """Results, messages and dead letters of these commits."""
    found = {}
    for table in ("results", "messages", "dead_letters"):
        rows = await connection.fetch(
            f"SELECT * FROM {table} WHERE log_id = $1 AND commit_id = ANY($2::bigint[])",  # noqa: S608 our names
            log_id,
            commit_ids,
        )
        by_leaf: dict[tuple[int, int], list[asyncpg.Record]] = {}
        for row in rows:
            by_leaf.setdefault((row["commit_id"], row["leaf"]), []).append(row)
        found[table] = by_leaf
    return CommitContents(**found)


async def unplaced_commits(connection: Connection, log_id: int) -> list[PendingCommit]:
    """Commits that have no place in the log."""
    rows = await connection.fetch(
        """
        SELECT commit_id, leaf_count, leaves_root, hashes, watermark, worker_id, signature FROM commits c
        WHERE log_id = $1 AND NOT EXISTS (
            SELECT 1 FROM placements p WHERE p.log_id = c.log_id AND p.commit_id = c.commit_id)
        ORDER BY commit_id
        """,
        log_id,
    )
    return [PendingCommit(**row) for row in rows]


async def stray_rows(connection: Connection, log_id: int) -> list[tuple[str, UUID, int]]:
    """Records that name a commit the log does not have: (table, id, commit id)."""
    stray = []
    for table, name in (("results", "record_id"), ("messages", "message_id"), ("dead_letters", "dead_letter_id")):
        rows = await connection.fetch(
            f"""
            SELECT {name} AS name, commit_id FROM {table} t WHERE log_id = $1 AND NOT EXISTS (
                SELECT 1 FROM commits c WHERE c.log_id = t.log_id AND c.commit_id = t.commit_id)
            ORDER BY commit_id, {name} LIMIT 100
            """,  # noqa: S608 our names
            log_id,
        )
        stray += [(table, row["name"], row["commit_id"]) for row in rows]
    return stray


async def unknown_logs(connection: Connection) -> list[tuple[str, int]]:
    """Rows of logs that are not there: (table, log id)."""
    unknown = []
    for table in ("commits", "placements", "checkpoints", "results", "messages", "dead_letters"):
        rows = await connection.fetch(
            f"SELECT DISTINCT log_id FROM {table} WHERE log_id <> ALL (ARRAY(SELECT log_id FROM logs)) ORDER BY 1"  # noqa: S608
        )
        unknown += [(table, row["log_id"]) for row in rows]
    return unknown


async def stored_checkpoints(connection: Connection, log_id: int) -> list[tuple[int, bytes, str]]:
    """Size, root and note of every checkpoint, in order of size."""
    rows = await connection.fetch("SELECT size, root, note FROM checkpoints WHERE log_id = $1 ORDER BY size", log_id)
    return [(row["size"], row["root"], row["note"]) for row in rows]


async def stored_tiles(connection: Connection, log_id: int) -> dict[tuple[int, int], bytes]:
    """All full tiles, by (level, index)."""
    rows = await connection.fetch('SELECT level, "index", hashes FROM tiles WHERE log_id = $1', log_id)
    return {(row["level"], row["index"]): row["hashes"] for row in rows}


async def watermark_rows(connection: Connection) -> list[asyncpg.Record]:
    """Every watermark step, partition by partition, in order."""
    return await connection.fetch(
        """
        SELECT grp, cluster, topic, part, from_offset, to_offset, commit_id FROM watermark_steps
        ORDER BY grp, cluster, topic, part, from_offset
        """
    )


async def identity_digests(connection: Connection, record_ids: list[UUID]) -> dict[UUID, bytes]:
    """The keyed digests stored for these ids."""
    rows = await connection.fetch(
        "SELECT record_id, digest FROM identities WHERE record_id = ANY($1::uuid[])", record_ids
    )
    return {row["record_id"]: row["digest"] for row in rows}
