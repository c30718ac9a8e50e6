"""The registry as stored: its revision, by which commits and changes exclude each other, and sources' policies.

Keys, policies and models share one revision: what a commit was judged and decided by is in force when it is stored.

A change holds a lock that every commit holds too, shared: it waits for the commits under way, and each later commit
sees its revision. So nothing that was judged by former keys is committed after a change, and no commit asks for keys.
An advisory lock, because a shared lock on a row writes that row for each commit. Keys are streams.storage.keys.
"""

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from schemas.errors import StorageError
from streams.storage.database import Connection

REGISTRY_LOCK: Final = 0x5EA1_4E65


class RegistryChanged(StorageError):
    """Keys, policies or models changed since the records of a commit were judged; nothing of it is stored."""

    def __init__(self) -> None:
        super().__init__(
            "keys, policies or models changed since these records were judged; nothing is stored, try again"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePolicyRow:
    """A policy as stored; see security.source_policy.SourcePolicy.

    Attributes:
        tenant: Whose source it is.
    """

    source: str
    tenant: str
    signatures: int
    algorithms: list[str]
    since: dt.datetime
    max_age: dt.timedelta | None = None
    max_ahead: dt.timedelta | None = None
    expiry: bool = False


@asynccontextmanager
async def changing_registry(connection: Connection) -> AsyncIterator[dt.datetime]:
    """Change keys, policies or models in the body, in one transaction with a new revision.

    Yields:
        The moment of the change: after every commit that used the former keys.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", REGISTRY_LOCK)
        moment: dt.datetime = await connection.fetchval(
            "INSERT INTO registry_changes DEFAULT VALUES RETURNING created_at"
        )
        yield moment


async def registry_revision(connection: Connection) -> int:
    """The newest revision; 0 before the first change. Read it before the keys, so that it is never newer than they."""
    revision: int = await connection.fetchval("SELECT coalesce(max(revision), 0) FROM registry_changes")
    return revision


async def hold_registry(connection: Connection, revision: int) -> None:
    """See that the registry is at a revision, and keep it there until the transaction ends.

    Raises:
        RegistryChanged: It is at another.
    """
    if await connection.fetchval("SELECT sealstream_hold_registry()") != revision:
        raise RegistryChanged


async def list_source_policies(connection: Connection) -> list[SourcePolicyRow]:
    """All policies, former ones too: what was accepted under them is judged by them."""
    rows = await connection.fetch(
        "SELECT source, tenant, signatures, algorithms, since, max_age, max_ahead, expiry FROM source_policies "
        "ORDER BY source, since"
    )
    return [SourcePolicyRow(**row) for row in rows]


async def insert_source_policy(connection: Connection, row: SourcePolicyRow) -> None:
    """Add a policy; within `changing_registry`."""
    await connection.execute(
        "INSERT INTO source_policies (source, tenant, signatures, algorithms, since, max_age, max_ahead, expiry) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        row.source,
        row.tenant,
        row.signatures,
        row.algorithms,
        row.since,
        row.max_age,
        row.max_ahead,
        row.expiry,
    )
