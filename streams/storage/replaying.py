"""Rows of replays: dead letters with the leaves that prove them, and the transaction that takes one in again.

Deciding what becomes of a dead letter is agents.replay.
"""

import datetime as dt
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from streams.storage.commit import EntryClaim, IdentityClaim, claim_entries, claim_identities
from streams.storage.commit_rows import CommitRows, write_rows
from streams.storage.database import Connection, Database
from streams.storage.registry import hold_registry
from streams.storage.sequencing import PendingCommit
from streams.storage.shards import SHARDS


@dataclass(frozen=True, slots=True)
class ReplayableLetter:
    """A dead letter as stored, with its own leaf and its message's, and what its commit's worker signed.

    Its message's sealed bytes, which may be large, are `sealed_evidence`.

    Attributes:
        domain: Of its message; like everything about the message None when that row is gone.
        message_commit: The commit that brought the message and, signed by its worker, its leaf: the letter's own, or
            an earlier one that deferred the record.
        message_leaf: Ordinal of the message's leaf: the letter's own, but for an entry of a statement and for a record
            that was deferred.
        message_body: That leaf's bytes.
        received_at: None also for what is no moment.
        evidence_bytes: Size of its message as sealed; None once erased.
        place: Of its leaf, as `origin#index`; None while it has none.
        body: Its leaf's bytes.
        commit: The commit that brought it.
        settled: What an earlier replay made of it, if it is not open any more.
        deferred: Whether it was given up in a lane, and not refused when it came in.
    """

    dead_letter_id: UUID
    message_id: UUID
    log_id: int
    origin: str
    tenant: str
    domain: str | None
    commit_id: int
    leaf: int
    message_commit_id: int | None
    message_leaf: int | None
    topic: str
    part: int
    kafka_offset: int
    stamped_at: dt.datetime | None
    received_at: dt.datetime | None
    pass_id: int | None
    evidence_bytes: int | None
    place: str | None
    body: bytes | None
    message_body: bytes | None
    commit: PendingCommit | None
    message_commit: PendingCommit | None
    settled: str | None
    deferred: bool


_OF_THIS_LETTER: Final = "r.dead_letter_id = d.dead_letter_id AND coalesce(r.letter_commit, d.commit_id) = d.commit_id"
"""A record that fails in its lane again has another dead letter of its id, written by a later commit."""


def leaf_body(ordinal: str, bundle: str = "b") -> str:
    """SQL for one leaf's bytes, out of a bundle; damaged ends give other bytes, or none, and never an error.

    Args:
        ordinal: SQL for its position in the commit, from 0. Arrays count from 1, so `ends[ordinal]` is where it begins.
        bundle: The bundle's name in the query.
    """
    start = f"coalesce({bundle}.ends[{ordinal}], 0)"
    return f"substring({bundle}.body FROM {start} + 1 FOR greatest({bundle}.ends[{ordinal} + 1] - {start}, 0))"


async def open_letters(
    connection: Connection, reason: str, after: tuple[dt.datetime, UUID] | None, until: dt.datetime, limit: int
) -> list[tuple[dt.datetime, UUID]]:
    """Dead letters of a reason that no replay has settled, oldest first: when each was written, and its id.

    Of an id at most the newest is open: a record comes to fail again by a replay of the one before.

    Args:
        after: The last one of the page before.
        until: Those written later are left for another time.
    """
    moment, name = after or (dt.datetime.min.replace(tzinfo=dt.UTC), UUID(int=0))
    rows = await connection.fetch(
        f"""
        SELECT d.created_at, d.dead_letter_id FROM dead_letters d
        WHERE d.reason = $1 AND (d.created_at, d.dead_letter_id) > ($2, $3) AND d.created_at <= $4
            AND NOT EXISTS (SELECT 1 FROM replays r WHERE {_OF_THIS_LETTER} AND r.reason IS NULL)
        ORDER BY d.created_at, d.dead_letter_id LIMIT $5
        """,  # noqa: S608 our own text
        reason,
        moment,
        name,
        until,
        limit,
    )
    return [(row["created_at"], row["dead_letter_id"]) for row in rows]


async def replayable_letters(connection: Connection, names: Collection[UUID]) -> list[ReplayableLetter]:
    """These dead letters, in the order they were written; of several of one id the newest."""
    rows = await connection.fetch(
        f"""
        SELECT d.dead_letter_id, d.message_id, d.log_id, l.origin, d.tenant, m.domain, d.commit_id, d.leaf,
            m.commit_id AS message_commit_id, m.leaf AS message_leaf, d.topic, d.part, d.kafka_offset,
            CASE WHEN m.stamped_at >= '1970-01-01' AND m.stamped_at < '9999-12-31' THEN m.stamped_at END AS stamped_at,
            CASE WHEN m.received_at >= '1970-01-01' AND m.received_at < '9999-12-31' THEN m.received_at END
                AS received_at,
            m.pass_id, octet_length(m.evidence) AS evidence_bytes,
            s.origin || '#' || p.first_index + d.leaf - s.start AS place,
            {leaf_body("d.leaf")} AS body, {leaf_body("m.leaf", "mb")} AS message_body,
            r.outcome AS settled, f.commit_id IS NOT NULL AS deferred
        FROM (
            SELECT DISTINCT ON (dead_letter_id) * FROM dead_letters WHERE dead_letter_id = ANY ($1::uuid[])
            ORDER BY dead_letter_id, created_at DESC) AS d
        JOIN logs l USING (log_id)
        LEFT JOIN deferred f ON f.record_id = d.dead_letter_id AND f.ended_commit = d.commit_id
        LEFT JOIN messages m ON m.message_id = d.message_id AND m.log_id = d.log_id
            AND m.commit_id = coalesce(f.commit_id, d.commit_id)
        LEFT JOIN placements p ON p.log_id = d.log_id AND p.commit_id = d.commit_id
        LEFT JOIN ({SHARDS}) AS s ON s.log_id = d.log_id AND p.first_index >= s.start
            AND (s."end" IS NULL OR p.first_index < s."end")
        LEFT JOIN bundles b ON b.log_id = d.log_id AND b.commit_id = d.commit_id
        LEFT JOIN bundles mb ON mb.log_id = m.log_id AND mb.commit_id = m.commit_id
        LEFT JOIN replays r ON {_OF_THIS_LETTER} AND r.reason IS NULL
        ORDER BY d.created_at, d.dead_letter_id
        """,  # noqa: S608 our own text
        list(names),
    )
    columns = ("commit_id", "message_commit_id")
    wanted = {(row["log_id"], row[name]) for row in rows for name in columns if row[name] is not None}
    commits = await _commits(connection, wanted)
    return [
        ReplayableLetter(
            **row,
            commit=commits.get((row["log_id"], row["commit_id"])),
            message_commit=commits.get((row["log_id"], row["message_commit_id"])),
        )
        for row in rows
    ]


async def sealed_evidence(connection: Connection, letters: Collection[ReplayableLetter]) -> dict[UUID, bytes]:
    """The sealed bytes of these dead letters' messages, by message id: each once, however many entries were refused."""
    messages = {(each.message_id, each.log_id, each.message_commit_id) for each in letters}
    rows = await connection.fetch(
        """
        SELECT message_id, evidence FROM messages
        JOIN unnest($1::uuid[], $2::int[], $3::bigint[]) AS w(message_id, log_id, commit_id)
            USING (message_id, log_id, commit_id)
        WHERE evidence IS NOT NULL
        """,
        *(list(column) for column in zip(*messages, strict=True)),
    )
    return {row["message_id"]: row["evidence"] for row in rows}


async def _commits(connection: Connection, wanted: Collection[tuple[int, int]]) -> dict[tuple[int, int], PendingCommit]:
    rows = await connection.fetch(
        """
        SELECT log_id, commit_id, leaf_count, leaves_root, hashes, watermark, worker_id, signature
        FROM commits JOIN unnest($1::int[], $2::bigint[]) AS w(log_id, commit_id) USING (log_id, commit_id)
        """,
        [log_id for log_id, _ in wanted],
        [commit_id for _, commit_id in wanted],
    )
    return {(row["log_id"], row["commit_id"]): PendingCommit(*list(row.values())[1:]) for row in rows}


class ReplayTransaction:
    """The transaction of a replay's commit. Locks come in the commit's order, the dead letters' before them.

    Attributes:
        settled: Those of the dead letters that another replay has settled meanwhile.
    """

    def __init__(self, connection: Connection, settled: Collection[UUID]) -> None:
        self._connection = connection
        self.settled = settled

    async def claim_identities(self, commit_id: int, claims: Iterable[IdentityClaim]) -> Mapping[UUID, bytes]:
        """Take ids; returns the digests of those that an earlier commit holds."""
        first: dict[UUID, IdentityClaim] = {}
        for claim in claims:
            first.setdefault(claim.record_id, claim)
        return await claim_identities(self._connection, commit_id, first.values())

    async def claim_entries(self, claims: Iterable[EntryClaim]) -> Mapping[tuple[int, bytes], UUID]:
        """Take entry keys; returns who holds each of them."""
        return await claim_entries(self._connection, claims)

    async def write(self, rows: CommitRows) -> None:
        """Write the commit's rows."""
        await write_rows(self._connection, rows)


@asynccontextmanager
async def replay_transaction(
    database: Database, letters: Sequence[tuple[UUID, int]], registry: int
) -> AsyncIterator[ReplayTransaction]:
    """A commit without a watermark, which no other replay of these dead letters runs beside.

    Args:
        letters: Id, and the commit that wrote it, of each.
        registry: Revision of the key registry by which they were judged again.

    Raises:
        RegistryChanged: It is at another revision by now.
    """
    async with database.session() as connection, connection.transaction():
        await hold_registry(connection, registry)
        # An advisory lock, because the rows themselves are never updated and their owner needs no right to.
        await connection.execute(
            """
            SELECT pg_advisory_xact_lock(hashtextextended(name, 0))
            FROM (SELECT n.name FROM unnest($1::text[]) AS n(name) ORDER BY 1) AS ordered
            """,
            [str(name) for name, _ in letters],
        )
        rows = await connection.fetch(
            f"""
            SELECT d.dead_letter_id FROM unnest($1::uuid[], $2::bigint[]) AS d(dead_letter_id, commit_id)
            JOIN replays r ON {_OF_THIS_LETTER} WHERE r.reason IS NULL
            """,  # noqa: S608 our own text
            [name for name, _ in letters],
            [commit_id for _, commit_id in letters],
        )
        yield ReplayTransaction(connection, {row["dead_letter_id"] for row in rows})
