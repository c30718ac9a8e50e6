"""How far the platform is: what is committed, sequenced and published. For reports, readiness and benchmarks."""

import datetime as dt
from dataclasses import dataclass

from streams.storage.database import Connection
from streams.storage.relaying import relay_lag
from streams.storage.shards import SHARDS


@dataclass(frozen=True, slots=True)
class Latency:
    """From a message's timestamp to its durable commit, milliseconds."""

    messages: int
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class LogLag:
    """How far the logs are behind the commits, and the outgoing topics behind the logs.

    Attributes:
        waiting: Leaves that have no place in a log yet.
        seconds: Age of the oldest of them.
        unpublished: Leaves that have a place and are not published.
    """

    waiting: int
    seconds: float
    unpublished: int


async def consumed(connection: Connection, group: str) -> int:
    """Offsets that a group has moved over, in all its partitions; -1 is where the first step begins."""
    total: int = await connection.fetchval(
        "SELECT coalesce(sum(to_offset - from_offset), 0)::bigint FROM watermark_steps "
        "WHERE grp = $1 AND from_offset >= 0",
        group,
    )
    return total


async def unsequenced_commits(connection: Connection) -> int:
    """Commits that wait for their place in a log."""
    waiting: int = await connection.fetchval(
        """
        SELECT count(*) FROM commits c WHERE NOT EXISTS (
            SELECT 1 FROM placements p WHERE p.log_id = c.log_id AND p.commit_id = c.commit_id)
        """
    )
    return waiting


async def log_lag(connection: Connection) -> LogLag:
    """How far sequencer and relay are behind; looks at what is new since the sequencer's last step, as it does."""
    row = await connection.fetchrow(
        """
        SELECT coalesce(sum(c.leaf_count), 0)::bigint AS waiting,
            coalesce(extract(epoch FROM clock_timestamp() - min(c.created_at)), 0)::float8 AS seconds
        FROM logs l
        CROSS JOIN LATERAL (SELECT coalesce((
            SELECT seen FROM log_steps s WHERE s.log_id = l.log_id ORDER BY size DESC LIMIT 1
        ), '1:1:'::pg_snapshot) AS seen) AS at
        CROSS JOIN LATERAL (
            SELECT commit_id, leaf_count, created_at FROM commits
            WHERE log_id = l.log_id AND xid >= pg_snapshot_xmax(at.seen)
            UNION ALL
            SELECT commit_id, leaf_count, created_at FROM commits
            WHERE log_id = l.log_id AND xid = ANY (ARRAY(SELECT pg_snapshot_xip(at.seen)))
        ) AS c
        WHERE (SELECT 1 FROM placements p WHERE p.log_id = l.log_id AND p.commit_id = c.commit_id) IS NULL
        """
    )
    unpublished = await relay_lag(connection)
    return LogLag(row["waiting"], max(0.0, row["seconds"]), unpublished) if row else LogLag(0, 0.0, unpublished)


async def uncheckpointed_logs(connection: Connection) -> int:
    """Logs whose newest checkpoint does not cover all placed leaves."""
    behind: int = await connection.fetchval(
        f"""
        SELECT count(*) FROM ({SHARDS}) AS l
        WHERE coalesce(l."end", (SELECT max(size) FROM log_steps s WHERE s.log_id = l.log_id), 0) - l.lost - l.start
            > coalesce((SELECT max(size) FROM checkpoints k WHERE k.log_id = l.tree_id), 0)
        """  # noqa: S608 our own text
    )
    return behind


async def last_commit_at(connection: Connection, since: dt.datetime) -> dt.datetime | None:
    """When the newest commit after a moment was written."""
    newest = "SELECT max(created_at) FROM commits WHERE created_at > $1"
    at: dt.datetime | None = await connection.fetchval(newest, since)
    return at


async def latency_since(connection: Connection, since: dt.datetime) -> Latency | None:
    """Latency of the messages stamped after a moment; None when there were none.

    The end is the commit's timestamp where the server keeps those (`track_commit_timestamp`), otherwise the moment
    its rows were written, a few milliseconds earlier.
    """
    tracked = await connection.fetchval("SHOW track_commit_timestamp") == "on"
    end = "pg_xact_commit_timestamp(c.xid::xid)" if tracked else "c.created_at"
    row = await connection.fetchrow(
        f"""
        SELECT count(*) AS messages, percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (
            ORDER BY extract(epoch FROM {end} - m.stamped_at) * 1000) AS ms
        FROM messages m JOIN commits c ON c.log_id = m.log_id AND c.commit_id = m.commit_id
        WHERE m.stamped_at >= $1
        """,  # noqa: S608 one of two constants
        since,
    )
    if row is None or not row["messages"]:
        return None
    return Latency(row["messages"], *map(float, row["ms"]))
