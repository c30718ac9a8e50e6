"""What an audit of completeness reads: the leaves of a log since a moment, and the messages of some of them."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from streams.storage.database import Connection

COMMITS_PER_BATCH: Final = 16

_MESSAGE: Final = "message_id, log_id, tenant, domain, commit_id, leaf, pass_id, evidence"


@dataclass(frozen=True, slots=True)
class BundleRow:
    """The leaves of one commit."""

    commit_id: int
    ends: list[int]
    body: bytes

    def leaves(self) -> list[bytes]:
        """One by one."""
        return [self.body[start:end] for start, end in zip([0, *self.ends], self.ends, strict=False)]


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message as stored; `evidence` is None once erased."""

    message_id: UUID
    log_id: int
    tenant: str
    domain: str
    commit_id: int
    leaf: int
    pass_id: int
    evidence: bytes | None


async def bundles_since(connection: Connection, log_id: int, since: dt.datetime) -> AsyncIterator[list[BundleRow]]:
    """The leaves of every commit that was made since then, placed in the log or not, some commits at a time."""
    after = -1
    while True:
        rows = await connection.fetch(
            """
            SELECT commit_id, b.ends, b.body FROM commits c JOIN bundles b USING (log_id, commit_id)
            WHERE log_id = $1 AND commit_id > $2 AND c.created_at >= $3 ORDER BY commit_id LIMIT $4
            """,
            log_id,
            after,
            since,
            COMMITS_PER_BATCH,
        )
        if not rows:
            return
        yield [BundleRow(**row) for row in rows]
        after = rows[-1]["commit_id"]


async def messages_at(connection: Connection, log_id: int, places: Sequence[tuple[int, int]]) -> list[MessageRow]:
    """The messages whose leaves are these, given as (commit id, ordinal)."""
    rows = await connection.fetch(
        f"""
        SELECT {_MESSAGE} FROM messages JOIN unnest($2::bigint[], $3::int[]) AS w(commit_id, leaf)
            USING (commit_id, leaf)
        WHERE log_id = $1
        """,  # noqa: S608 a constant
        log_id,
        [commit_id for commit_id, _ in places],
        [leaf for _, leaf in places],
    )
    return [MessageRow(**row) for row in rows]


async def find_message(connection: Connection, message_id: UUID, kind: str) -> MessageRow | None:
    """The accepted message of that id and CloudEvents type."""
    row = await connection.fetchrow(
        f"SELECT {_MESSAGE} FROM messages WHERE message_id = $1 AND type = $2 AND outcome = 'accepted' LIMIT 1",  # noqa: S608
        message_id,
        kind,
    )
    return MessageRow(**row) if row is not None else None
