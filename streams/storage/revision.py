"""Which schema this program works with, and whether a database has it. Changing one is streams.storage.migrate.

Every process asks at its start, so this module must not import the migration tool.
"""

from typing import Final

import asyncpg

from schemas.errors import StorageError
from streams.storage.database import CONNECT_ERRORS
from streams.storage.unreachable import why_unreachable

REVISION: Final = "0004"
"""The newest migration; a test compares it with the migrations themselves."""


async def check_migrated(dsn: str) -> None:
    """Refuse a database that is not at this program's revision.

    Raises:
        StorageError: It can't be reached, or its schema is older, newer or absent; the text says what to do.
    """
    try:
        connection = await asyncpg.connect(dsn)
    except CONNECT_ERRORS as exc:
        raise StorageError(why_unreachable(exc)) from exc
    try:
        current = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        current = None
    finally:
        await connection.close()
    if current != REVISION:
        raise StorageError(
            f"the database schema is at revision {current or 'none'}, this program needs {REVISION}; "
            "run `sealstream migrate` with a role that may change the schema"
        )
