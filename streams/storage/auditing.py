"""What an auditor's recomputation reads: every row of a log, batch by batch, in log order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg

from schemas.reasons import Reason
from streams.storage.database import Connection
from streams.storage.sequencing import PendingCommit

COMMITS_PER_BATCH: Final = 16
LEAVES_PER_BATCH: Final = 10_000
"""A batch ends with the commit that reaches either."""

TERMS_PER_BATCH: Final = 5_000
STRAYS_NAMED: Final = 100

_COLUMNS: Final = {
    "results": "record_id, message_id, n, tenant, domain, type, outcome, note, linked, pass_id, sealed",
    # Python's dates end where PostgreSQL's go on.
    "messages": """message_id, tenant, domain, type, outcome, topic, part, kafka_offset, pass_id, evidence,
        CASE WHEN received_at >= '1970-01-01' AND received_at < '9999-12-31' THEN received_at END AS received_at""",
    "deferred": "record_id, tenant, lane, models, deadline, state, ended_commit",
    "dead_letters": "dead_letter_id, message_id, tenant, reason, topic, part, kafka_offset",
    "replays": "dead_letter_id, tenant, outcome, reason, letter_commit",
    "disclosures": "tenant, pass_id, sealed",
    "reviews": "record_id, n, tenant, domain, pass_id, sealed",
}

_LOG_TABLES: Final = [
    "commits",
    "bundles",
    "placements",
    "log_steps",
    "shards",
    "dropped_shards",
]

_TREE_TABLES: Final = frozenset({"tiles", "checkpoints", "cosignatures", "timestamps"})
"""What belongs to one shard's tree."""

TABLES: Final = tuple(_COLUMNS)
"""What a leaf may have a row in."""


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
class UnplacedCommit:
    """A commit that waits for its place; its leaves only where it moved no watermark, and None when they are gone."""

    commit: PendingCommit
    ends: list[int] | None
    body: bytes | None


@dataclass(frozen=True, slots=True)
class CommitContents:
    """The rows that a commit brought into one log: table, leaf ordinal, rows."""

    tables: dict[str, dict[int, list[asyncpg.Record]]]


@asynccontextmanager
async def snapshot(connection: Connection) -> AsyncIterator[None]:
    """One unchanging view of the database for many queries; nothing can be written, and nobody waits for it."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        # What is read takes its time to verify, and the transaction holds no lock that a successor would need.
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '1h'")
        yield


async def placed_commits(connection: Connection, log_id: int) -> AsyncIterator[list[PlacedCommit]]:
    """The log's places in order, a batch at a time."""
    after = -1
    while True:
        rows = await connection.fetch(
            """
            SELECT p.first_index, p.leaf_count AS placed_count, p.commit_id, c.leaf_count, c.leaves_root, c.hashes,
                c.watermark, c.worker_id, c.signature, b.ends, b.body
            FROM (SELECT *, sum(leaf_count) OVER (ORDER BY first_index) - leaf_count AS before
                  FROM (SELECT * FROM placements WHERE log_id = $1 AND first_index > $2
                        ORDER BY first_index LIMIT $3) AS next) AS p
            LEFT JOIN commits c ON c.log_id = $1 AND c.commit_id = p.commit_id
            LEFT JOIN bundles b ON b.log_id = $1 AND b.commit_id = p.commit_id
            WHERE p.before < $4 ORDER BY p.first_index
            """,
            log_id,
            after,
            COMMITS_PER_BATCH,
            LEAVES_PER_BATCH,
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


async def commit_contents(connection: Connection, log_id: int, commit_ids: list[int]) -> dict[int, CommitContents]:
    """The rows of these commits, by commit id."""
    found = {commit_id: CommitContents({table: {} for table in TABLES}) for commit_id in commit_ids}
    for table, columns in _COLUMNS.items():
        rows = await connection.fetch(
            f"SELECT commit_id, leaf, {columns} FROM {table} "  # noqa: S608 our names
            "WHERE log_id = $1 AND commit_id = ANY($2::bigint[])",
            log_id,
            commit_ids,
        )
        for row in rows:
            found[row["commit_id"]].tables[table].setdefault(row["leaf"], []).append(row)
    return found


async def leaves_at(connection: Connection, log_id: int, indexes: list[int]) -> dict[int, bytes]:
    """The bytes of the leaves at these indexes, as far as they are there."""
    rows = await connection.fetch(
        """
        SELECT i.index, substring(b.body FROM coalesce(b.ends[n - 1], 0) + 1 FOR b.ends[n] - coalesce(b.ends[n - 1], 0))
            AS body
        FROM unnest($2::bigint[]) AS i(index)
        CROSS JOIN LATERAL (SELECT first_index, commit_id FROM placements
            WHERE log_id = $1 AND first_index <= i.index ORDER BY first_index DESC LIMIT 1) AS p
        CROSS JOIN LATERAL (SELECT (i.index - p.first_index)::int + 1 AS n) AS ordinal
        JOIN bundles b ON b.log_id = $1 AND b.commit_id = p.commit_id
        WHERE b.ends[n] IS NOT NULL
        """,
        log_id,
        indexes,
    )
    return {row["index"]: row["body"] for row in rows}


async def unplaced_commits(connection: Connection, log_id: int) -> list[UnplacedCommit]:
    """Commits that have no place in the log, in the order in which they will get theirs."""
    rows = await connection.fetch(
        """
        SELECT commit_id, leaf_count, leaves_root, hashes, watermark, worker_id, signature,
            CASE WHEN watermark = '' THEN ends END AS ends, CASE WHEN watermark = '' THEN body END AS body
        FROM commits c LEFT JOIN bundles b USING (log_id, commit_id)
        WHERE log_id = $1 AND NOT EXISTS (
            SELECT 1 FROM placements p WHERE p.log_id = c.log_id AND p.commit_id = c.commit_id)
        ORDER BY c.xid, commit_id
        """,
        log_id,
    )
    found = []
    for row in rows:
        columns = dict(row)
        ends, body = columns.pop("ends"), columns.pop("body")
        found.append(UnplacedCommit(PendingCommit(**columns), ends, body))
    return found


async def stray_rows(connection: Connection, log_id: int) -> list[tuple[str, str, int]]:
    """Rows that name a commit the log does not have: (table, id, commit id), the first ones of each table."""
    stray = []
    for table, name in (
        ("results", "record_id"),
        ("messages", "message_id"),
        ("deferred", "record_id"),
        ("dead_letters", "dead_letter_id"),
        ("replays", "dead_letter_id"),
        ("disclosures", "leaf"),
        ("reviews", "record_id"),
    ):
        rows = await connection.fetch(
            f"""
            SELECT {name}::text AS name, commit_id FROM {table} t WHERE log_id = $1 AND NOT EXISTS (
                SELECT 1 FROM commits c WHERE c.log_id = t.log_id AND c.commit_id = t.commit_id)
            AND NOT EXISTS (SELECT 1 FROM placements p WHERE p.log_id = t.log_id AND p.commit_id = t.commit_id)
            ORDER BY commit_id, {name} LIMIT $2
            """,  # noqa: S608 our names
            log_id,
            STRAYS_NAMED,
        )
        stray += [(table, row["name"], row["commit_id"]) for row in rows]
    return stray


async def unknown_logs(connection: Connection) -> list[tuple[str, int]]:
    """Rows of logs that are not there: (table, log id)."""
    unknown = []
    for table in (*_LOG_TABLES, *_TREE_TABLES, *TABLES):
        known = "SELECT log_id FROM logs"
        if table in _TREE_TABLES:
            known += " UNION SELECT tree_id FROM shards"
        rows = await connection.fetch(
            f"SELECT DISTINCT log_id FROM {table} WHERE log_id <> ALL (ARRAY({known})) ORDER BY 1"  # noqa: S608
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
        SELECT grp, cluster, topic, part, era, from_offset, to_offset, commit_id,
            topic_id, leader_epoch, last_offset, last_digest
        FROM watermark_steps ORDER BY grp, cluster, topic, part, era, from_offset
        """
    )


async def identities(connection: Connection, record_ids: list[UUID]) -> dict[UUID, tuple[bytes, int]]:
    """The keyed digest and the commit stored for each of these ids."""
    rows = await connection.fetch(
        "SELECT record_id, digest, commit_id FROM identities WHERE record_id = ANY($1::uuid[])", record_ids
    )
    return {row["record_id"]: (row["digest"], row["commit_id"]) for row in rows}


async def unclaimed_identities(connection: Connection, limit: int) -> list[tuple[UUID, int]]:
    """Ids that are taken and that no verified message has: (record id, commit id)."""
    rows = await connection.fetch(
        """
        SELECT record_id, commit_id FROM identities i WHERE NOT EXISTS (
            SELECT 1 FROM messages m LEFT JOIN dead_letters d ON d.dead_letter_id = m.message_id
            WHERE m.message_id = i.record_id AND m.type IS NOT NULL AND d.reason IS DISTINCT FROM $1)
        ORDER BY commit_id, record_id LIMIT $2
        """,
        Reason.CONFLICT.value,
        limit,
    )
    return [(row["record_id"], row["commit_id"]) for row in rows]


async def stored_terms(connection: Connection) -> AsyncIterator[list[asyncpg.Record]]:
    """All blind terms but those of commits that have no place yet, as (log id, field, token, record id).

    Only within a transaction.
    """
    cursor = await connection.cursor(
        """
        WITH unplaced AS MATERIALIZED (
            SELECT log_id, commit_id FROM commits c WHERE NOT EXISTS (
                SELECT 1 FROM placements p WHERE p.log_id = c.log_id AND p.commit_id = c.commit_id)),
        waiting AS MATERIALIZED (SELECT log_id, record_id FROM unplaced JOIN results USING (log_id, commit_id))
        SELECT log_id, field, token, record_id FROM terms t
        WHERE NOT EXISTS (SELECT 1 FROM waiting w WHERE w.log_id = t.log_id AND w.record_id = t.record_id)
        """
    )
    while rows := await cursor.fetch(TERMS_PER_BATCH):
        yield rows
