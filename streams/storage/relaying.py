"""The relay's rows: reading sequenced leaves in order, and how far they have been published.

How far decides at the broker (`streams.positions`); what is written down here tells the lag, and lets the relay go on
where a broker holds no position yet.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import msgspec

from streams.storage.database import Connection
from streams.storage.shards import SHARDS

RELAY_LOCK: Final = 0x5EA1_4E1A


@dataclass(frozen=True, slots=True)
class RelayPosition:
    """How far a log is published.

    Attributes:
        position: The next index to publish.
        previous: Topic to the last index published there.
        last_hash: Hash of the leaf before `position`; empty where it is not known.
        checkpoint: The newest signed checkpoint of a size up to `position`, where there is one.
    """

    position: int
    previous: dict[str, int] = field(default_factory=dict)
    last_hash: bytes = b""
    checkpoint: str | None = None


@dataclass(frozen=True, slots=True)
class SizedLog:
    """A shard of a log, and how many leaves have their place in it.

    Attributes:
        size: With those that are lost.
        shard: Its number.
        tree_id: Under which its checkpoints and its relay's steps are stored.
        start: Leaves of the log in all shards before it.
        lost: How many of its last leaves are lost.
    """

    log_id: int
    tenant: str
    origin: str
    size: int
    shard: int = 0
    tree_id: int | None = None
    start: int = 0
    lost: int = 0

    @property
    def tree(self) -> int:
        """Under which its checkpoints and its relay's steps are stored."""
        return self.log_id if self.tree_id is None else self.tree_id

    @property
    def held(self) -> int:
        """How many of its leaves are there."""
        return self.size - self.lost


@dataclass(frozen=True, slots=True)
class SequencedCommit:
    """The leaves of one commit, with their place.

    Attributes:
        leaf_count: Places it takes in the log.
        ends: End of each leaf within `body`; like `body` and `hashes` None when the row is gone.
        hashes: Packed leaf hashes; whoever uses a leaf hashes it first.
    """

    first_index: int
    commit_id: int
    leaf_count: int
    hashes: bytes | None
    ends: list[int] | None
    body: bytes | None

    def leaves(self) -> list[bytes]:
        """The leaves' bytes, in order; none when their row is gone."""
        if self.ends is None or self.body is None:
            return []
        return [self.body[start:end] for start, end in pairwise([0, *self.ends])]


async def sized_logs(connection: Connection) -> list[SizedLog]:
    """All shards with their sizes, log by log, in the order in which they were opened."""
    rows = await connection.fetch(
        f"""
        SELECT log_id, tenant, origin, coalesce("end",
            (SELECT size FROM log_steps s WHERE s.log_id = l.log_id ORDER BY size DESC LIMIT 1), 0) - start AS size,
            shard, tree_id, start, lost
        FROM ({SHARDS}) AS l ORDER BY log_id, shard
        """  # noqa: S608 our own text
    )
    return [SizedLog(**row) for row in rows]


async def leaf_hash_at(connection: Connection, log_id: int, index: int) -> bytes | None:
    """The hash of the leaf at an index; None where there is none."""
    found: bytes | None = await connection.fetchval(
        """
        SELECT substring(c.hashes FROM (32 * ($2 - p.first_index) + 1)::int FOR 32)
        FROM (SELECT first_index, commit_id FROM placements
              WHERE log_id = $1 AND first_index <= $2 ORDER BY first_index DESC LIMIT 1) AS p
        JOIN commits c ON c.log_id = $1 AND c.commit_id = p.commit_id
        """,
        log_id,
        index,
    )
    return found or None


async def newest_checkpoint(connection: Connection, log_id: int, size: int) -> str | None:
    """The note of the newest checkpoint that is not larger than a size."""
    note: str | None = await connection.fetchval(
        "SELECT note FROM checkpoints WHERE log_id = $1 AND size <= $2 ORDER BY size DESC LIMIT 1", log_id, size
    )
    return note


async def read_relay_position(connection: Connection, log_id: int) -> RelayPosition:
    """Where the relay stood when it last wrote it down; nothing published yet is position 0."""
    row = await connection.fetchrow(
        "SELECT position, previous FROM relay_steps WHERE log_id = $1 ORDER BY position DESC LIMIT 1", log_id
    )
    if row is None:
        return RelayPosition(0)
    return RelayPosition(row["position"], msgspec.json.decode(row["previous"], type=dict[str, int]))


async def write_relay_position(connection: Connection, log_id: int, at: RelayPosition) -> None:
    """Write down how far the log is published."""
    await connection.execute(
        "INSERT INTO relay_steps (log_id, position, previous) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        log_id,
        at.position,
        msgspec.json.encode(at.previous, order="sorted"),
    )


async def sequenced_commits(
    connection: Connection, log_id: int, position: int, max_leaves: int
) -> list[SequencedCommit]:
    """Commits from an index on, in log order: at least one if there is any, then up to `max_leaves` leaves."""
    rows = await connection.fetch(
        """
        SELECT p.first_index, p.commit_id, p.leaf_count, c.hashes, b.ends, b.body
        FROM (
            SELECT first_index, commit_id, leaf_count, first_index + leaf_count AS past FROM placements
            WHERE log_id = $1 AND first_index >= $2 ORDER BY first_index LIMIT 256
        ) AS p
        LEFT JOIN commits c ON c.log_id = $1 AND c.commit_id = p.commit_id
        LEFT JOIN bundles b ON b.log_id = $1 AND b.commit_id = p.commit_id
        WHERE p.first_index = $2 OR p.past <= $2 + $3
        ORDER BY p.first_index
        """,
        log_id,
        position,
        max_leaves,
    )
    return [SequencedCommit(**row) for row in rows]


async def relay_lag(connection: Connection) -> int:
    """Sequenced leaves that are not published yet, over all logs."""
    lag: int = await connection.fetchval(
        f"""
        SELECT coalesce(sum(greatest(0,
            coalesce("end", (SELECT size FROM log_steps s WHERE s.log_id = l.log_id ORDER BY size DESC LIMIT 1), 0)
          - start - lost
          - coalesce((SELECT position FROM relay_steps r WHERE r.log_id = l.tree_id ORDER BY position DESC LIMIT 1), 0)
        )), 0)::bigint FROM ({SHARDS}) AS l
        """  # noqa: S608 our own text
    )
    return lag
