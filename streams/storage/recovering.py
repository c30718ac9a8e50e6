"""The rows of a recovery: who is connected, which commits are there already, and what is brought back."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from streams.storage.commit_rows import CommitRows, write_rows
from streams.storage.database import Connection
from streams.storage.keys import shred_tier_keys
from streams.storage.sequencing import LogAdvance, advance


@dataclass(frozen=True, slots=True)
class StoredCommit:
    """A commit that the database has.

    Attributes:
        placed: Whether it has its place in the log.
    """

    commit_id: int
    hashes: bytes
    placed: bool


@dataclass(frozen=True, slots=True)
class RecoveryStep:
    """What one transaction of a recovery writes.

    Attributes:
        rows: Commits and bundles to insert.
        waiting: (index, record or message id, whether the leaf notes a repeat, whether it ends a deferred record) of
            leaves whose records may come again.
        advance: Their places, and what follows from them.
        shredded: Tier keys that leaves among them say were shredded.
    """

    rows: CommitRows
    advance: LogAdvance
    waiting: Sequence[tuple[int, UUID, bool, bool]] = field(default_factory=list)
    shredded: Sequence[str] = field(default_factory=list)


async def connected_workers(connection: Connection, prefix: str) -> int:
    """Sessions of our role whose application name begins so, ours apart."""
    count: int = await connection.fetchval(
        """
        SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user
            AND starts_with(application_name, $1) AND pid <> pg_backend_pid()
        """,
        prefix,
    )
    return count


async def stored_commits(connection: Connection, log_id: int, commit_ids: Collection[int]) -> dict[int, StoredCommit]:
    """Those of these commits that the log has, by their ids."""
    rows = await connection.fetch(
        """
        SELECT c.commit_id, c.hashes, p.commit_id IS NOT NULL AS placed FROM commits c
        LEFT JOIN placements p USING (log_id, commit_id) WHERE c.log_id = $1 AND c.commit_id = ANY($2::bigint[])
        """,
        log_id,
        list(commit_ids),
    )
    return {row["commit_id"]: StoredCommit(**row) for row in rows}


async def begin_recovery(connection: Connection, log_id: int, size: int, end: int) -> int:
    """Note what is to be brought back; returns where it begins: earlier than `size` when one was interrupted."""
    first: int | None = await connection.fetchval(
        "SELECT min(first_index) FROM recoveries WHERE log_id = $1 AND end_index >= $2", log_id, size
    )
    if first is None:
        first = size
    # One that goes on in the next shard is the same recovery.
    await connection.execute(
        """
        INSERT INTO recoveries AS r (log_id, first_index, end_index) VALUES ($1, $2, $3)
        ON CONFLICT (log_id, first_index) DO UPDATE SET end_index = greatest(r.end_index, $3)
        """,
        log_id,
        first,
        end,
    )
    return first


async def write_step(connection: Connection, step: RecoveryStep) -> None:
    """Write a step, all or nothing.

    Raises:
        Fenced: Another sequencer raised the epoch.
    """
    async with connection.transaction():
        await write_rows(connection, step.rows)
        if step.waiting:
            await connection.copy_records_to_table(
                "recovered_leaves",
                records=[(step.advance.log_id, *each) for each in step.waiting],
                columns=("log_id", "index", "name", "repeat", "ending"),
            )
        await shred_tier_keys(connection, step.shredded)
        await advance(connection, step.advance)


async def skip_commit_ids(connection: Connection, count: int) -> None:
    """Leave out as many commit ids as the lost leaves may have had."""
    await connection.execute("SELECT setval('commit_ids', (SELECT last_value FROM commit_ids) + $1::bigint)", count)


async def pass_commit_ids(connection: Connection, highest: int) -> None:
    """Let the sequence of commit ids give none up to this one any more."""
    await connection.execute(
        "SELECT setval('commit_ids', greatest($1::bigint, (SELECT last_value FROM commit_ids)))", highest
    )
