"""Reviews as stored, still sealed, and the results they are about. Deciding and opening is agents.reviews.reviewing."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from streams.storage.database import Connection
from streams.storage.reading import RESULT_COLUMNS, Cursor, StoredResult
from streams.storage.replaying import leaf_body


@dataclass(frozen=True, slots=True)
class StoredReview:
    """A row of reviews; `sealed` is None once erased.

    Attributes:
        n: Which decision about the record it is, from 1; the last one counts.
        leaf: Its ordinal in the commit.
    """

    record_id: UUID
    n: int
    log_id: int
    commit_id: int
    leaf: int
    tenant: str
    domain: str
    pass_id: int
    sealed: bytes | None
    created_at: dt.datetime


async def open_reviews(
    connection: Connection, *, tenant: str | None, limit: int, after: Cursor | None = None
) -> list[StoredResult]:
    """Results that a model left to a person and nobody has decided yet, the oldest first; erased ones are left out.

    Args:
        after: Those that come after this place in that order.
    """
    rows = await connection.fetch(
        f"""
        SELECT {RESULT_COLUMNS} FROM results r
        WHERE r.outcome = 'review' AND r.sealed IS NOT NULL AND ($1::text IS NULL OR r.tenant = $1)
            AND NOT EXISTS (SELECT 1 FROM reviews w WHERE w.record_id = r.record_id)
            AND ($3::timestamptz IS NULL OR (r.created_at, r.record_id) > ($3, $4::uuid))
        ORDER BY r.created_at, r.record_id LIMIT $2
        """,  # noqa: S608 a constant
        tenant,
        limit,
        after.created_at if after is not None else None,
        after.record_id if after is not None else None,
    )
    return [StoredResult(*row) for row in rows]


async def find_reviews(connection: Connection, record_ids: Sequence[UUID]) -> list[StoredReview]:
    """The reviews of these records, each record's in the order of the decisions."""
    rows = await connection.fetch(
        "SELECT record_id, n, log_id, commit_id, leaf, tenant, domain, pass_id, sealed, created_at FROM reviews "
        "WHERE record_id = ANY($1::uuid[]) ORDER BY record_id, n",
        list(record_ids),
    )
    return [StoredReview(**row) for row in rows]


async def find_result(connection: Connection, record_id: UUID) -> StoredResult | None:
    """A result."""
    row = await connection.fetchrow(
        f"SELECT {RESULT_COLUMNS} FROM results r WHERE r.record_id = $1",  # noqa: S608 a constant
        record_id,
    )
    return StoredResult(*row) if row else None


async def lock_result(connection: Connection, record_id: UUID) -> StoredResult | None:
    """A result, locked against erasing and against another decision until the transaction ends."""
    # A function of the owner's: who decides has no right to change a result, which locking a row asks for.
    await connection.execute("SELECT sealstream_lock_result($1)", record_id)
    return await find_result(connection, record_id)


async def result_leaf(connection: Connection, stored: StoredResult) -> bytes | None:
    """The bytes of a result's leaf; None when they are gone."""
    body: bytes | None = await connection.fetchval(
        f"SELECT {leaf_body('$3::int')} FROM bundles b WHERE log_id = $1 AND commit_id = $2",  # noqa: S608 our own text
        stored.log_id,
        stored.commit_id,
        stored.leaf,
    )
    return body
