"""Finding leaves by what is written in them, and what was sealed beside a look.

The database looks for the bytes; what they mean, and whether the log holds them, is for agents.log.entries.
"""

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from uuid import UUID

import asyncpg

from streams.storage.database import Connection

LEAVES_A_LOOK: Final = 50_000
"""Indexes that one statement looks through, so that none takes long however little it finds."""


_HOLDS_ONE: Final = " AND EXISTS (SELECT 1 FROM unnest(${}::bytea[]) AS t(text) WHERE position(t.text IN b.body) > 0)"


@dataclass(frozen=True, slots=True)
class StoredLeaf:
    """A leaf as stored: its index in the log, its number within its commit, its bytes."""

    index: int
    ordinal: int
    body: bytes


@dataclass(frozen=True, slots=True)
class StoredDisclosure:
    """The ids that a response showed, sealed."""

    commit_id: int
    leaf: int
    tenant: str
    pass_id: int
    sealed: bytes


async def leaves_with(
    connection: Connection, log_id: int, end: int, wanted: Sequence[Collection[bytes]], start: int = 0
) -> AsyncIterator[list[StoredLeaf]]:
    """The leaves from `start` to before `end` that hold one text of each group, in order.

    Args:
        wanted: Groups of texts; none: every leaf.
    """
    conditions = "".join([_HOLDS_ONE.format(n) for n in range(4, 4 + len(wanted))])
    query = f"""
        SELECT p.first_index, b.ends, b.body FROM placements p JOIN bundles b USING (log_id, commit_id)
        WHERE p.log_id = $1 AND p.first_index < $3 AND p.first_index >= coalesce(
            (SELECT max(first_index) FROM placements WHERE log_id = $1 AND first_index <= $2), 0){conditions}
        ORDER BY p.first_index
        """  # noqa: S608 our own text
    for first in range(start, end, LEAVES_A_LOOK):
        last = min(first + LEAVES_A_LOOK, end)
        rows = await connection.fetch(query, log_id, first, last, *map(list, wanted))
        leaves = [leaf for row in rows for leaf in _leaves(row) if first <= leaf.index < last]
        yield [leaf for leaf in leaves if all(any(text in leaf.body for text in group) for group in wanted)]


def _leaves(row: asyncpg.Record) -> Iterator[StoredLeaf]:
    body = row["body"]
    for ordinal, (begin, stop) in enumerate(pairwise([0, *row["ends"]])):
        yield StoredLeaf(row["first_index"] + ordinal, ordinal, body[begin:stop])


async def disclosures_of(
    connection: Connection, log_id: int, commit_ids: Collection[int]
) -> dict[tuple[int, int], StoredDisclosure]:
    """What was sealed beside the leaves of these commits, by commit and ordinal."""
    rows = await connection.fetch(
        "SELECT commit_id, leaf, tenant, pass_id, sealed FROM disclosures "
        "WHERE log_id = $1 AND commit_id = ANY($2::bigint[])",
        log_id,
        list(commit_ids),
    )
    return {(row["commit_id"], row["leaf"]): StoredDisclosure(**row) for row in rows}


async def related(connection: Connection, name: UUID) -> set[UUID]:
    """The message that a record came in, or the records of a message: who saw the one may have seen the other."""
    rows = await connection.fetch(
        "SELECT message_id AS name FROM results WHERE record_id = $1 "
        "UNION SELECT record_id FROM results WHERE message_id = $1 AND message_id <> record_id",
        name,
    )
    return {row["name"] for row in rows}
