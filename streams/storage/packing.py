"""What an evidence pack takes from the tables: commits, their workers' keys, revocation lists."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from streams.storage.database import Connection


@dataclass(frozen=True, slots=True)
class SignedCommit:
    """A commit as its worker signed it, with its leaves' hashes."""

    commit_id: int
    leaf_count: int
    leaves_root: bytes
    hashes: bytes
    watermark: bytes
    worker_id: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class CertifiedWorker:
    """A worker's key."""

    public_key: bytes
    certificate: bytes
    created_at: dt.datetime


async def read_commits(connection: Connection, log_id: int, commit_ids: Collection[int]) -> list[SignedCommit]:
    """These commits of one log."""
    rows = await connection.fetch(
        """
        SELECT commit_id, leaf_count, leaves_root, hashes, watermark, worker_id, signature FROM commits
        WHERE log_id = $1 AND commit_id = ANY($2::bigint[]) ORDER BY commit_id
        """,
        log_id,
        list(commit_ids),
    )
    return [SignedCommit(**row) for row in rows]


async def read_workers(connection: Connection, names: Collection[str]) -> dict[str, CertifiedWorker]:
    """The keys of these workers, by name."""
    rows = await connection.fetch(
        "SELECT worker_id, public_key, certificate, created_at FROM worker_keys WHERE worker_id = ANY($1::text[])",
        list(names),
    )
    return {row["worker_id"]: CertifiedWorker(row["public_key"], row["certificate"], row["created_at"]) for row in rows}


async def revocation_lists_of(connection: Connection, issuers: Collection[str]) -> list[bytes]:
    """Every version (DER) of the lists of these issuers (RFC 4514), the oldest first."""
    rows = await connection.fetch(
        "SELECT der FROM revocation_lists WHERE issuer = ANY($1::text[]) ORDER BY created_at, digest", list(issuers)
    )
    return [row["der"] for row in rows]


async def last_checkpoint_at(connection: Connection, tree_id: int) -> dt.datetime:
    """When a closed shard signed its final checkpoint."""
    moment: dt.datetime = await connection.fetchval(
        "SELECT created_at FROM checkpoints WHERE log_id = $1 ORDER BY size DESC LIMIT 1", tree_id
    )
    return moment


async def first_checkpoint_at(connection: Connection, log_id: int) -> dt.datetime:
    """When a log that has a checkpoint signed its first one."""
    moment: dt.datetime = await connection.fetchval(
        "SELECT created_at FROM checkpoints WHERE log_id = $1 ORDER BY size LIMIT 1", log_id
    )
    return moment
