"""Reading records and dead letters as stored, still sealed. Opening and logging the look: agents.opening.reading."""

import datetime as dt
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import msgspec

from schemas.leaf import decode_leaf
from streams.storage.database import Connection
from streams.storage.replaying import leaf_body
from streams.storage.sequencing import PendingCommit

RESULT_COLUMNS = """
    r.record_id, r.message_id, r.n, r.log_id, r.tenant, r.domain, r.commit_id, r.leaf, r.type, r.outcome, r.note,
    r.linked, r.pass_id, r.sealed, r.created_at
"""


class Cursor(NamedTuple):
    """A place in the order of results: the newest first, those of one moment by their ids."""

    created_at: dt.datetime
    record_id: UUID


class LeafRow(NamedTuple):
    """Where a row's leaf stands."""

    log_id: int
    commit_id: int
    leaf: int

    @property
    def commit(self) -> tuple[int, int]:
        """Log and commit."""
        return self.log_id, self.commit_id


# A struct, as are others of which a page has hundreds: made in a third of a dataclass's time.
class StoredResult(msgspec.Struct, frozen=True, gc=False):
    """A row of results, in the order of `RESULT_COLUMNS`; `sealed` is None once erased."""

    record_id: UUID
    message_id: UUID
    n: int | None
    log_id: int
    tenant: str
    domain: str
    commit_id: int
    leaf: int
    type: str
    outcome: str
    note: str | None
    linked: UUID | None
    pass_id: int
    sealed: bytes | None
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """A row of dead_letters with its message's sealed evidence.

    Attributes:
        replayed: What its last replay came to: an outcome, or the reason of a rejection; None when there was none.
    """

    dead_letter_id: UUID
    message_id: UUID
    log_id: int
    tenant: str
    domain: str
    reason: str
    detail: str
    topic: str
    part: int
    kafka_offset: int
    pass_id: int
    evidence: bytes | None
    created_at: dt.datetime
    replayed: str | None


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A row of messages; `evidence` is None once erased."""

    message_id: UUID
    log_id: int
    tenant: str
    domain: str
    commit_id: int
    leaf: int
    pass_id: int
    evidence: bytes | None


async def list_results(
    connection: Connection, *, tenant: str | None, limit: int, after: Cursor | None = None
) -> list[StoredResult]:
    """The newest results, or those that come after a place in that order."""
    rows = await connection.fetch(
        f"""
        SELECT {RESULT_COLUMNS} FROM results r
        WHERE ($1::text IS NULL OR r.tenant = $1) AND ($3::timestamptz IS NULL
            OR (r.created_at <= $3 AND (r.created_at < $3 OR r.record_id > $4)))
        ORDER BY r.created_at DESC, r.record_id LIMIT $2
        """,  # noqa: S608 a constant
        tenant,
        limit,
        after.created_at if after is not None else None,
        after.record_id if after is not None else None,
    )
    return [StoredResult(*row) for row in rows]


async def find_results(connection: Connection, record_ids: Sequence[UUID]) -> list[StoredResult]:
    """Results by id, and the results of a message by the message's id."""
    rows = await connection.fetch(
        f"SELECT {RESULT_COLUMNS} FROM results r "  # noqa: S608 a constant
        "WHERE r.record_id = ANY($1::uuid[]) OR r.message_id = ANY($1::uuid[]) AND r.message_id <> r.record_id "
        "ORDER BY r.message_id, r.n",
        list(record_ids),
    )
    return [StoredResult(*row) for row in rows]


async def field_names(connection: Connection, stored: Sequence[StoredResult]) -> dict[UUID, list[str]]:
    """The names of these records' fields, by their leaves; the label has a place of its own there."""
    if not stored:
        return {}
    rows = await connection.fetch(
        f"""
        SELECT w.record_id, {leaf_body("w.leaf")} AS body
        FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::int[]) AS w(record_id, log_id, commit_id, leaf)
        JOIN bundles b USING (log_id, commit_id)
        """,  # noqa: S608 our own text
        *map(list, zip(*((row.record_id, row.log_id, row.commit_id, row.leaf) for row in stored), strict=True)),
    )
    leaves = {row["record_id"]: decode_leaf(row["body"]) for row in rows}
    return {
        record: [*(leaf.fields or {}), *(["label"] if leaf.label is not None else [])]
        for record, leaf in leaves.items()
    }


async def leaf_bodies(connection: Connection, places: Collection[LeafRow]) -> dict[LeafRow, bytes]:
    """The bytes of these leaves, as far as they are there."""
    rows = await connection.fetch(
        f"""
        SELECT w.log_id, w.commit_id, w.leaf, {leaf_body("w.leaf")} AS body
        FROM unnest($1::int[], $2::bigint[], $3::int[]) AS w(log_id, commit_id, leaf)
        JOIN bundles b USING (log_id, commit_id)
        """,  # noqa: S608 our own text
        *map(list, zip(*places, strict=True)),
    )
    return {LeafRow(row["log_id"], row["commit_id"], row["leaf"]): row["body"] for row in rows}


async def signed_commits(
    connection: Connection, wanted: Collection[tuple[int, int]]
) -> dict[tuple[int, int], PendingCommit]:
    """What workers signed of these commits, by log and commit, as far as it is there."""
    rows = await connection.fetch(
        """
        SELECT log_id, commit_id, leaf_count, leaves_root, hashes, watermark, worker_id, signature FROM commits
        JOIN unnest($1::int[], $2::bigint[]) AS w(log_id, commit_id) USING (log_id, commit_id)
        """,
        *map(list, zip(*wanted, strict=True)),
    )
    return {(row["log_id"], row["commit_id"]): PendingCommit(*list(row)[1:]) for row in rows}


@asynccontextmanager
async def one_view(connection: Connection) -> AsyncIterator[None]:
    """All queries in the body see the database as of one moment."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        yield


async def find_message(connection: Connection, message_id: UUID, commit_id: int | None = None) -> StoredMessage | None:
    """A message as one commit stored it; the first time it was stored where no commit is named."""
    row = await connection.fetchrow(
        """
        SELECT message_id, log_id, tenant, domain, commit_id, leaf, pass_id, evidence FROM messages
        WHERE message_id = $1 AND ($2::bigint IS NULL OR commit_id = $2) ORDER BY created_at, commit_id LIMIT 1
        """,
        message_id,
        commit_id,
    )
    return StoredMessage(**row) if row else None


async def accepting_commit(connection: Connection, record: StoredResult) -> int:
    """The commit that brought a record's message: an earlier one, where the record was deferred."""
    found: int | None = await connection.fetchval(
        "SELECT commit_id FROM deferred WHERE record_id = $1 AND ended_commit = $2", record.record_id, record.commit_id
    )
    return record.commit_id if found is None else found


async def search_results(
    connection: Connection, field: str, tokens: Sequence[tuple[int, bytes]], limit: int, *, skip: int = 0
) -> list[StoredResult]:
    """The newest results that carry one of these blind terms, given with the log they belong to.

    By the second in which their commits began, which the index of terms knows; those of one second as in lists.

    Args:
        skip: How many of the newest to pass over; for pages, read in `one_view`.
    """
    # Numbers in the text: the plan is made once, and for so many.
    rows = await connection.fetch(
        f"""
        SELECT {RESULT_COLUMNS} FROM unnest($2::int[], $3::bytea[]) AS w(log_id, token)
        -- Of each term so many, in the order of its index, and what else there is of the last one's second. Looked for
        -- as a range: of equal ones the planner expects so few that reading and sorting all seems as good to it.
        CROSS JOIN LATERAL (
            SELECT t.second, t.record_id FROM terms t
            WHERE t.token >= w.token AND t.token <= w.token AND t.log_id = w.log_id AND t.field = $1
            ORDER BY t.token DESC, t.second DESC FETCH FIRST {limit + skip:d} ROWS WITH TIES) t
        JOIN results r ON r.record_id = t.record_id
        ORDER BY t.second DESC, r.created_at DESC, r.record_id LIMIT {limit:d} OFFSET {skip:d}
        """,  # noqa: S608 a constant and numbers
        field,
        [log_id for log_id, _ in tokens],
        [token for _, token in tokens],
    )
    return [StoredResult(*row) for row in rows]


async def list_dead_letters(
    connection: Connection, *, reason: str | None, limit: int, name: UUID | None = None, tenant: str | None = None
) -> list[StoredDeadLetter]:
    """Dead letters, newest first; all, by reason or tenant, or those of that id."""
    rows = await connection.fetch(
        """
        SELECT d.dead_letter_id, d.message_id, d.log_id, d.tenant, m.domain, d.reason, d.detail, d.topic, d.part,
            d.kafka_offset, m.pass_id, m.evidence, d.created_at,
            (SELECT coalesce(r.reason, r.outcome) FROM replays r WHERE r.dead_letter_id = d.dead_letter_id
                AND coalesce(r.letter_commit, d.commit_id) = d.commit_id
             ORDER BY r.created_at DESC LIMIT 1) AS replayed
        FROM dead_letters d
        LEFT JOIN deferred f ON f.record_id = d.dead_letter_id AND f.ended_commit = d.commit_id
        -- A replay makes another row of this message.
        LEFT JOIN messages m ON m.message_id = d.message_id AND m.log_id = d.log_id
            AND m.commit_id = coalesce(f.commit_id, d.commit_id)
        WHERE ($1::text IS NULL OR d.reason = $1) AND ($2::uuid IS NULL OR d.dead_letter_id = $2)
            AND ($4::text IS NULL OR d.tenant = $4)
        ORDER BY d.created_at DESC, d.dead_letter_id LIMIT $3
        """,
        reason,
        name,
        limit,
        tenant,
    )
    return [StoredDeadLetter(**row) for row in rows]


async def leaf_of_letter(connection: Connection, name: UUID) -> LeafRow | None:
    """Where a dead letter's own leaf stands."""
    row = await connection.fetchrow(
        "SELECT log_id, commit_id, leaf FROM dead_letters WHERE dead_letter_id = $1 ORDER BY created_at DESC LIMIT 1",
        name,
    )
    return None if row is None else LeafRow(**row)
