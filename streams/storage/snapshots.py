"""What a statement would see at this moment, as PostgreSQL names it."""

from streams.storage.database import Connection


async def current_snapshot(connection: Connection) -> str:
    """Names which transactions a statement sees; under the same name, it finds what it found before.

    The cheapest question there is, in place of others that are asked again and again.
    """
    snapshot: str = await connection.fetchval("SELECT pg_current_snapshot()::text")
    return snapshot
