"""Rows of the sources' order: what arrived with a number, how far each source has come, and its gaps.

Commits add arrivals, one row for each source in a commit; the sequencer takes them away and keeps the rest.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from streams.storage.database import Connection

LOCK: Final = 0x5EA1_0D0E
_NUMBER_BYTES: Final = 8
_ARRIVAL_BYTES: Final = _NUMBER_BYTES + 16

GapRow = tuple[int, int, dt.datetime, bool]
"""First and last number, when it was found, whether it is noted."""


@dataclass(frozen=True, slots=True)
class ArrivedRow:
    """What one commit brought of one source."""

    log_id: int
    source: str
    arrivals: list[tuple[int, UUID]]


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """How far a source has come, and the gaps that were asked for.

    Attributes:
        first: The lowest number seen; None when nothing is stored.
    """

    first: int | None
    last: int
    gaps: list[GapRow]


@dataclass(frozen=True, slots=True)
class DueGap:
    """A gap that has just been marked as noted."""

    log_id: int
    source: str
    first: int
    last: int


def pack_arrivals(arrivals: Iterable[tuple[int, bytes]]) -> bytes:
    """Numbers and message ids as one value: an array of each would cost several times as much."""
    return b"".join([number.to_bytes(_NUMBER_BYTES) + message for number, message in arrivals])


async def try_lock(connection: Connection) -> bool:
    """Be the only one who works on the order until the transaction ends; False when somebody else does."""
    locked: bool = await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK)
    return locked


async def take_arrivals(connection: Connection, limit: int) -> list[ArrivedRow]:
    """Take the oldest rows of arrivals away."""
    rows = await connection.fetch(
        "DELETE FROM sequence_arrivals WHERE ctid = ANY(ARRAY("
        "SELECT ctid FROM sequence_arrivals ORDER BY commit_id LIMIT $1)) "
        "RETURNING log_id, source, commit_id, arrived",
        limit,
    )
    return [
        ArrivedRow(row["log_id"], row["source"], _unpack(row["arrived"]))
        for row in sorted(rows, key=lambda row: row["commit_id"])
    ]


async def read_order(connection: Connection, log_id: int, source: str, first: int, last: int) -> StoredOrder:
    """How far a source has come, with its gaps that hold numbers from one to another."""
    head = await connection.fetchrow(
        "SELECT first, last FROM sequence_heads WHERE log_id = $1 AND source = $2", log_id, source
    )
    if head is None:
        return StoredOrder(None, 0, [])
    gaps = await connection.fetch(
        "SELECT first, last, since, noted FROM sequence_gaps "
        "WHERE log_id = $1 AND source = $2 AND first <= $4 AND last >= $3 ORDER BY first",
        log_id,
        source,
        first,
        last,
    )
    return StoredOrder(head["first"], head["last"], [tuple(row) for row in gaps])


async def write_order(
    connection: Connection, log_id: int, source: str, before: StoredOrder, first: int, last: int, gaps: Sequence[GapRow]
) -> None:
    """Replace what was read by what it has become."""
    await connection.execute(
        "INSERT INTO sequence_heads (log_id, source, first, last) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (log_id, source) DO UPDATE SET first = excluded.first, last = excluded.last",
        log_id,
        source,
        first,
        last,
    )
    gone = set(before.gaps) - set(gaps)
    if gone:
        await connection.execute(
            "DELETE FROM sequence_gaps WHERE log_id = $1 AND source = $2 AND first = ANY($3::bigint[])",
            log_id,
            source,
            [gap[0] for gap in gone],
        )
    await connection.executemany(
        "INSERT INTO sequence_gaps (log_id, source, first, last, since, noted) VALUES ($1, $2, $3, $4, $5, $6)",
        [(log_id, source, *gap) for gap in sorted(set(gaps) - set(before.gaps))],
    )


async def take_due_gaps(connection: Connection, found_before: dt.datetime, limit: int) -> list[DueGap]:
    """Mark gaps that were found before a moment, and not noted so far, as noted."""
    rows = await connection.fetch(
        """
        UPDATE sequence_gaps g SET noted = true FROM (
            SELECT log_id, source, first FROM sequence_gaps WHERE NOT noted AND since <= $1 ORDER BY since LIMIT $2
        ) due
        WHERE g.log_id = due.log_id AND g.source = due.source AND g.first = due.first
        RETURNING g.log_id, g.source, g.first, g.last
        """,
        found_before,
        limit,
    )
    return sorted((DueGap(**row) for row in rows), key=lambda gap: (gap.log_id, gap.source, gap.first))


def _unpack(packed: bytes) -> list[tuple[int, UUID]]:
    return [
        (int.from_bytes(packed[at : at + _NUMBER_BYTES]), UUID(bytes=packed[at + _NUMBER_BYTES : at + _ARRIVAL_BYTES]))
        for at in range(0, len(packed), _ARRIVAL_BYTES)
    ]
