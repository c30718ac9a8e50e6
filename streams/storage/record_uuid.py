"""Record ids as the UUIDs that PostgreSQL stores."""

from uuid import UUID

from asyncpg.pgproto import pgproto


def record_uuid(record_id: bytes) -> UUID:
    """The UUID of a 16-byte record id.

    asyncpg's own class: equal to `uuid.UUID`, made and printed ten times faster, and a record needs several.
    """
    made: UUID = pgproto.UUID(record_id)
    return made
