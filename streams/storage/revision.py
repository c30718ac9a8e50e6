"""Which schema this program works with, and whether a database has it. Changing one is streams.storage.migrate.

While a release is rolled out, programs of two releases work on one database. Migrations expand first, so the older
program works on the newer schema too; the database says which programs are too old for it.

Every process asks at its start, so this module must not import the migration tool.
"""

from typing import Final

import asyncpg

from schemas.errors import StorageError
from streams.storage.database import CONNECT_ERRORS
from streams.storage.durability import check_durable
from streams.storage.unreachable import why_unreachable

REVISION: Final = "0030"
"""The newest migration; a test compares it with the migrations themselves."""

OLDEST: Final = "0001"
"""The oldest revision whose programs work on this schema. Raise it in the release whose migration takes something away;
`migrate` writes it down before it changes anything."""

FLOOR_QUERY: Final = "SELECT obj_description(to_regclass('alembic_version'), 'pg_class')"
FLOOR_COMMAND: Final = f"COMMENT ON TABLE alembic_version IS '{OLDEST}'"
"""The floor is the comment of Alembic's table: it describes the schema, and is there before any table of ours."""


async def check_migrated(dsn: str, *, durable: bool = False) -> None:
    """Refuse a database that this program can't work on.

    Args:
        durable: Refuse a server that is configured to lose commits too.

    Raises:
        StorageError: It can't be reached, or its schema is older, too new or absent; the text says what to do.
        ConfigurationError: It is configured to lose commits.
    """
    try:
        connection = await asyncpg.connect(dsn)
    except CONNECT_ERRORS as exc:
        raise StorageError(why_unreachable(exc)) from exc
    try:
        if durable:
            await check_durable(connection)
        floor = await connection.fetchval(FLOOR_QUERY)
        current = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        current = None
    finally:
        await connection.close()
    if current is None or current < REVISION:
        raise StorageError(
            f"the database schema is at revision {current or 'none'}, this program needs {REVISION}; "
            "run `sealstream migrate` with a role that may change the schema"
        )
    if current > REVISION and (floor is None or floor > REVISION):
        raise StorageError(
            f"the database schema is at revision {current} and too new for this program, which is made for {REVISION}; "
            "install the release that the schema was migrated with"
        )
