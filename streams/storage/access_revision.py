"""The revision of people, policies and requests: by it a process knows in one statement that nothing was revoked.

Changes are made one after the other, so that a revision is never seen before an earlier one. The registry of producers'
keys has a revision of its own: commits wait for that, and nobody's commit waits for an approval.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from streams.storage.database import Connection

ACCESS_LOCK: Final = 0x5EA1_ACCE


@asynccontextmanager
async def changing_access(connection: Connection) -> AsyncIterator[None]:
    """Change people, policies or requests in the body, within the caller's transaction, with a new revision."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", ACCESS_LOCK)
    await connection.execute("INSERT INTO access_changes DEFAULT VALUES")
    yield


async def access_revision(connection: Connection) -> int:
    """The newest revision; 0 before the first change. Read it before what it is of."""
    revision: int = await connection.fetchval("SELECT coalesce(max(revision), 0) FROM access_changes")
    return revision
