"""The sequencer's rows: finding commits that have no place yet, and storing places, tiles, steps, checkpoints."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
import structlog

from schemas.errors import StorageError, Unavailable, VerificationFailed
from streams.probe import Probe, no_probe
from streams.storage.database import Connection

log = structlog.get_logger(__name__)

SEQUENCER_LOCK: Final = 0x5EA1_5E90
TILE_WIDTH: Final = 256
LOCK_TIMEOUT_MS: Final = 1_000
NOTHING_SEEN: Final = "1:1:"


class Fenced(StorageError, Unavailable):
    """Another sequencer has taken over this log; this one must stop at once, and may stand by for it."""


class ContradictoryRows(VerificationFailed):
    """What a step would write is there already, and no sequencer wrote it: somebody changed the log's rows."""


@dataclass(frozen=True, slots=True)
class LogRow:
    """One tenant's log, or one shard of it; see streams.storage.shards.

    Attributes:
        origin: Of the shard, under which its checkpoints are signed.
        shard: Its number; that of the first is 0.
        tree_id: Under which its tiles and checkpoints are stored; None for the first shard's, which is the log's.
        start: Leaves of the log in all shards before it.
        end: Likewise with this one; None while it is open.
        lost: How many of its last leaves are lost, as the next one declares.
        key: Which of the log's keys signs it; that of the first is 0.
        is_dropped: Whether its leaves and tiles are held outside the database.
    """

    log_id: int
    tenant: str
    origin: str
    shard: int = 0
    tree_id: int | None = None
    start: int = 0
    end: int | None = None
    lost: int = 0
    key: int = 0
    is_dropped: bool = False

    @property
    def tree(self) -> int:
        """Under which its tiles and checkpoints are stored."""
        return self.log_id if self.tree_id is None else self.tree_id

    @property
    def folder(self) -> str:
        """Under which it is exported and served."""
        return f"{self.tenant}/{self.shard}" if self.shard else self.tenant

    @property
    def log_origin(self) -> str:
        """Of the whole log: what workers sign their commits for."""
        return self.origin.rpartition("/")[0] if self.shard else self.origin


@dataclass(frozen=True, slots=True)
class PendingCommit:
    """A commit as stored, that waits for its place."""

    commit_id: int
    leaf_count: int
    leaves_root: bytes
    hashes: bytes
    watermark: bytes
    worker_id: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class LogPosition:
    """Where a log stands.

    Attributes:
        seen: The snapshot up to which every commit has been placed; None: every commit has to be looked at, because
            nothing was seen yet, or in another server, whose transaction numbers mean nothing in this one.
    """

    size: int
    seen: str | None


@dataclass(frozen=True, slots=True)
class LogAdvance:
    """What one sequencing step writes.

    Attributes:
        placements: (first index, commit id, leaf count), contiguous from `previous`.
        tiles: (level, index, hashes) of tiles that became full.
        checkpoint: (size, root, signed note), when one is due; the size is the shard's.
        tree_id: Under which tiles and checkpoint are stored; None for those of the first shard.
    """

    log_id: int
    epoch: int
    previous: int
    size: int
    seen: str | None
    placements: Sequence[tuple[int, int, int]]
    tiles: Sequence[tuple[int, int, bytes]]
    checkpoint: tuple[int, bytes, str] | None
    tree_id: int | None = None


async def list_logs(connection: Connection) -> list[LogRow]:
    """All logs, each by its first shard, in order of their ids."""
    rows = await connection.fetch("SELECT log_id, tenant, origin FROM logs ORDER BY log_id")
    return [LogRow(**row) for row in rows]


async def take_over(connection: Connection, log_id: int) -> int:
    """Become the log's sequencer: raises the epoch, which fences the former one. Returns the new epoch.

    Only for who holds the sequencer's lock: a former owner that was stopped within a transaction is ended.
    """
    while True:
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
                epoch: int = await connection.fetchval(
                    """
                    INSERT INTO log_state (log_id, epoch) VALUES ($1, 1)
                    ON CONFLICT (log_id) DO UPDATE SET epoch = log_state.epoch + 1 RETURNING epoch
                    """,
                    log_id,
                )
                return epoch
        except asyncpg.LockNotAvailableError:
            # Nobody else locks rows of this table, and nobody else has the sequencer's lock.
            ended = await connection.fetchval(
                """
                SELECT count(*) FILTER (WHERE pg_terminate_backend(a.pid)) FROM pg_locks l JOIN pg_stat_activity a
                USING (pid) WHERE l.relation = 'log_state'::regclass AND l.granted AND a.pid <> pg_backend_pid()
                    AND l.mode IN ('RowShareLock', 'RowExclusiveLock') AND a.usename = current_user
                    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                """
            )
            log.warning("sequencer.former_owner_ended", sessions=ended)


async def read_position(connection: Connection, log_id: int) -> LogPosition:
    """The log's last step. What another server had seen (dump and restore), or a later state of this one, is void."""
    row = await connection.fetchrow(
        """
        SELECT size, CASE WHEN system_id = (SELECT system_identifier FROM pg_control_system())
            AND pg_snapshot_xmax(seen) <= pg_snapshot_xmax(pg_current_snapshot()) AND seen::text <> $2
            THEN seen::text END AS seen
        FROM log_steps WHERE log_id = $1 ORDER BY size DESC LIMIT 1
        """,
        log_id,
        NOTHING_SEEN,
    )
    return LogPosition(row["size"], row["seen"]) if row else LogPosition(0, None)


_ALL: Final = "SELECT c.* FROM commits c WHERE c.log_id = $1 AND $2::text IS NULL"
# The upper bound leaves out what another server numbered, before it was dumped and restored into this one.
_SINCE_SEEN: Final = """
    SELECT c.* FROM commits c WHERE c.log_id = $1 AND c.xid >= pg_snapshot_xmax($2::text::pg_snapshot)
        AND c.xid < pg_snapshot_xmax(pg_current_snapshot())
    UNION ALL
    SELECT c.* FROM commits c
    WHERE c.log_id = $1 AND c.xid = ANY (ARRAY(SELECT pg_snapshot_xip($2::text::pg_snapshot)))
"""


async def pending_commits(
    connection: Connection, log_id: int, seen: str | None, refused: Sequence[int], limit: int
) -> tuple[list[PendingCommit], str]:
    """Commits without a place, and the snapshot they were read under: that of the one statement.

    A commit is new when its transaction was not over in the `seen` snapshot. The anti-join is written as a scalar
    subquery: `NOT EXISTS` plans badly on tables without statistics.
    """
    rows = await connection.fetch(
        f"""
        SELECT pg_current_snapshot()::text AS now, new.* FROM (SELECT 1) AS always LEFT JOIN (
            SELECT commit_id, leaf_count, leaves_root, hashes, watermark, worker_id, signature
            FROM ({_ALL if seen is None else _SINCE_SEEN}) AS c
            WHERE (SELECT 1 FROM placements p WHERE p.log_id = $1 AND p.commit_id = c.commit_id) IS NULL
                AND c.commit_id <> ALL ($3::bigint[])
            ORDER BY c.xid, c.commit_id LIMIT $4
        ) AS new ON true
        """,  # noqa: S608 one of two constants
        log_id,
        seen,
        refused,
        limit,
    )
    found = [PendingCommit(*list(row.values())[1:]) for row in rows if row["commit_id"] is not None]
    return found, rows[0]["now"]


async def advance(connection: Connection, step: LogAdvance, probe: Probe = no_probe) -> None:
    """Store one sequencing step, all or nothing.

    Raises:
        Fenced: Another sequencer raised the epoch.
        ContradictoryRows: A place, a tile or a step of this size is there already.
    """
    try:
        async with connection.transaction():
            await _advance(connection, step)
            probe("writing")
    except asyncpg.UniqueViolationError as exc:
        raise ContradictoryRows(
            f"log {step.log_id} can't grow from {step.previous} to {step.size}: {exc.table_name} has such a row already"
        ) from exc


async def _advance(connection: Connection, step: LogAdvance) -> None:
    epoch = await connection.fetchval("SELECT epoch FROM log_state WHERE log_id = $1 FOR SHARE", step.log_id)
    if epoch != step.epoch:
        raise Fenced(f"log {step.log_id} has a newer sequencer (epoch {epoch}, ours {step.epoch}); stopping")
    tree_id = step.log_id if step.tree_id is None else step.tree_id
    if step.placements:
        await connection.copy_records_to_table(
            "placements",
            records=[(step.log_id, first, commit, count) for first, commit, count in step.placements],
            columns=("log_id", "first_index", "commit_id", "leaf_count"),
        )
        await connection.execute(
            "INSERT INTO log_steps (log_id, size, prev, seen, epoch, system_id) "
            "SELECT $1, $2, $3, $4::text::pg_snapshot, $5, system_identifier FROM pg_control_system()",
            step.log_id,
            step.size,
            step.previous,
            step.seen or NOTHING_SEEN,
            step.epoch,
        )
    if step.tiles:
        await connection.copy_records_to_table(
            "tiles",
            records=[(tree_id, level, index, hashes) for level, index, hashes in step.tiles],
            columns=("log_id", "level", "index", "hashes"),
        )
    if step.checkpoint:
        await connection.execute(
            "INSERT INTO checkpoints (log_id, size, root, note) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            tree_id,
            *step.checkpoint,
        )


async def last_checkpoint(connection: Connection, tree_id: int) -> tuple[int, bytes, str] | None:
    """Size, root and note of the newest checkpoint."""
    row = await connection.fetchrow(
        "SELECT size, root, note FROM checkpoints WHERE log_id = $1 ORDER BY size DESC LIMIT 1", tree_id
    )
    return (row["size"], row["root"], row["note"]) if row else None


async def worker_keys(connection: Connection) -> dict[str, tuple[bytes, bytes]]:
    """Worker id to (public key, certificate)."""
    rows = await connection.fetch("SELECT worker_id, public_key, certificate FROM worker_keys")
    return {row["worker_id"]: (row["public_key"], row["certificate"]) for row in rows}
