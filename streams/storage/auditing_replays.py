"""What an auditor's recomputation reads of replays: the leaves of the dead letters that were taken in again."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import asyncpg

from streams.storage.database import Connection
from streams.storage.replaying import leaf_body
from streams.storage.shards import SHARDS


class LeafPlace(NamedTuple):
    """Where a leaf stands."""

    origin: str
    position: int


@dataclass(frozen=True, slots=True)
class FirstLeaf:
    """The leaf of a dead letter.

    Attributes:
        commit_id: The commit that it belongs to.
        ordinal: Its position there.
        body: Its bytes; what a damaged bundle gives is no leaf.
        message: Where the message it came in was in Kafka, and when; None when that row is gone.
        message_leaf: Ordinal of the message's own leaf: the same, but for an entry of a statement.
        message_body: That leaf's bytes.
        message_place: Its place among the leaves of all shards.
    """

    commit_id: int
    ordinal: int
    body: bytes
    message: asyncpg.Record | None
    message_leaf: int | None
    message_body: bytes
    message_place: int | None = None


async def first_leaves(connection: Connection, places: Collection[LeafPlace]) -> dict[LeafPlace, FirstLeaf]:
    """The leaves of dead letters at these places; where no dead letter is, nothing."""
    wanted = sorted(set(places))
    rows = await connection.fetch(
        f"""
        SELECT w.origin, w.index, d.commit_id, d.leaf AS ordinal, coalesce({leaf_body("d.leaf")}, '') AS body,
            m.leaf AS message_leaf, coalesce({leaf_body("m.leaf")}, '') AS message_body, m.topic, m.part,
            m.kafka_offset, mp.first_index + m.leaf AS message_place,
            CASE WHEN m.received_at >= '1970-01-01' AND m.received_at < '9999-12-31' THEN m.received_at END
                AS received_at
        FROM unnest($1::text[], $2::bigint[]) AS w(origin, index)
        JOIN ({SHARDS}) AS l ON l.origin = w.origin
        CROSS JOIN LATERAL (
            SELECT first_index, commit_id FROM placements
            WHERE log_id = l.log_id AND first_index <= w.index + l.start ORDER BY first_index DESC LIMIT 1) AS p
        JOIN dead_letters d ON d.log_id = l.log_id AND d.commit_id = p.commit_id
            AND d.leaf = w.index + l.start - p.first_index
        LEFT JOIN bundles b ON b.log_id = l.log_id AND b.commit_id = p.commit_id
        LEFT JOIN deferred f ON f.record_id = d.dead_letter_id AND f.ended_commit = d.commit_id
        LEFT JOIN messages m ON m.log_id = l.log_id AND m.commit_id = coalesce(f.commit_id, p.commit_id)
            AND m.message_id = d.message_id
        LEFT JOIN placements mp ON mp.log_id = m.log_id AND mp.commit_id = m.commit_id
        """,  # noqa: S608 our own text
        [place.origin for place in wanted],
        [place.position for place in wanted],
    )
    return {
        LeafPlace(row["origin"], row["index"]): FirstLeaf(
            row["commit_id"],
            row["ordinal"],
            row["body"],
            row if row["topic"] is not None else None,
            row["message_leaf"],
            row["message_body"],
            row["message_place"],
        )
        for row in rows
    }


async def taken_in_twice(connection: Connection, limit: int) -> list[tuple[UUID, int]]:
    """Dead letters that more than one replay took in, and how many did. Each row of replays is compared by itself."""
    rows = await connection.fetch(
        """
        SELECT dead_letter_id, count(*) AS times FROM replays r
        -- A row from when there was one dead letter of an id does not say which one it took in.
        LEFT JOIN LATERAL (
            SELECT commit_id FROM dead_letters d
            WHERE r.letter_commit IS NULL AND d.dead_letter_id = r.dead_letter_id ORDER BY created_at LIMIT 1
        ) AS f ON true
        WHERE reason IS NULL GROUP BY dead_letter_id, coalesce(r.letter_commit, f.commit_id) HAVING count(*) > 1
        ORDER BY dead_letter_id LIMIT $1
        """,
        limit,
    )
    return [(row["dead_letter_id"], row["times"]) for row in rows]
