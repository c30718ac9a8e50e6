"""The stages that a record went through, and how many records had which outcome, as the tables have it."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from streams.storage.database import Connection
from streams.storage.replaying import leaf_body
from streams.storage.shards import SHARDS


@dataclass(frozen=True, slots=True)
class StoredStage:
    """A stage.

    Attributes:
        origin: Of the shard that holds its leaf.
        index: Of its leaf in the shard; None while it waits for its place.
        body: Its leaf.
        lane: Where it was deferred to.
    """

    stage: str
    time: dt.datetime
    tenant: str
    origin: str
    index: int | None
    body: bytes | None
    lane: str | None


async def stages_of(connection: Connection, name: UUID, tenant: str | None) -> list[StoredStage]:
    """The stages of a record, message or dead letter, in order; of one tenant unless that is None."""
    rows = await connection.fetch(
        f"""
        WITH names AS (
            SELECT $1::uuid AS name UNION SELECT message_id FROM results WHERE record_id = $1
            UNION SELECT message_id FROM dead_letters WHERE dead_letter_id = $1
        ), stages AS (
            SELECT 'received' AS stage, created_at, log_id, commit_id, leaf, NULL AS lane FROM messages
                WHERE message_id IN (SELECT name FROM names)
            UNION ALL SELECT 'deferred', created_at, log_id, commit_id, leaf, lane FROM deferred
                WHERE record_id IN (SELECT name FROM names)
            UNION ALL SELECT 'result', created_at, log_id, commit_id, leaf, NULL FROM results WHERE record_id = $1
            UNION ALL SELECT 'rejected', created_at, log_id, commit_id, leaf, NULL FROM dead_letters
                WHERE dead_letter_id = $1
            UNION ALL SELECT 'replayed', created_at, log_id, commit_id, leaf, NULL FROM replays
                WHERE dead_letter_id = $1
            UNION ALL SELECT 'reviewed', created_at, log_id, commit_id, leaf, NULL FROM reviews WHERE record_id = $1
        )
        SELECT s.stage, s.created_at AS time, l.tenant, coalesce(h.origin, l.origin) AS origin,
            p.first_index + s.leaf - h.start AS index, s.lane,
            {leaf_body("s.leaf")} AS body
        FROM stages s JOIN logs l USING (log_id)
        LEFT JOIN placements p USING (log_id, commit_id) LEFT JOIN bundles b USING (log_id, commit_id)
        LEFT JOIN ({SHARDS}) AS h ON h.log_id = s.log_id AND p.first_index >= h.start
            AND (h."end" IS NULL OR p.first_index < h."end")
        WHERE $2::text IS NULL OR l.tenant = $2
        -- Rows of one commit are written table by table, and belong to one moment.
        ORDER BY min(s.created_at) OVER (PARTITION BY s.log_id, s.commit_id), s.commit_id,
            array_position(ARRAY['received', 'deferred', 'rejected', 'replayed', 'result', 'reviewed'], s.stage)
        """,  # noqa: S608 our own text
        name,
        tenant,
    )
    return [StoredStage(**row) for row in rows]


async def outcomes_by_minute(
    connection: Connection, since: dt.datetime, tenant: str | None
) -> list[tuple[dt.datetime, str, int]]:
    """Minute, outcome and number of records, refused ones included; of one tenant unless that is None."""
    rows = await connection.fetch(
        """
        SELECT date_trunc('minute', created_at) AS minute, outcome, count(*) AS records FROM (
            SELECT created_at, outcome FROM results
                WHERE created_at >= $1 AND ($2::text IS NULL OR tenant = $2)
            UNION ALL SELECT created_at, 'rejected' FROM dead_letters
                WHERE created_at >= $1 AND ($2::text IS NULL OR tenant = $2)
        ) AS done GROUP BY 1, 2 ORDER BY 1, 2
        """,
        since,
        tenant,
    )
    return [(row["minute"], row["outcome"], row["records"]) for row in rows]
