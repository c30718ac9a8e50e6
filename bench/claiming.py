"""Very many ids and blind terms, without their records: what commits and searches meet in a database that is years old.

A random id and a random token are what they are for every record, so that the rest of a record is not needed to see
what their indexes cost. They are loaded without these indexes, which are then built with the room that insertions in
random order leave in a B-tree (69 % full on average: Yao, On random 2-3 trees, 1978).
"""

import asyncio
from typing import Final

from streams.storage.database import Connection, Database

FULL_PERCENT: Final = 69
TOKEN_BYTES: Final = 8
BULK: Final = 1_000_000
"""Rows inserted by one statement."""

_IDENTITIES: Final = """
INSERT INTO identities (record_id, digest, commit_id)
SELECT gen_random_uuid(), uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), n / 1000
FROM generate_series(1, $1::int) AS n
"""

_TERMS: Final = f"""
INSERT INTO terms (log_id, field, token, record_id)
SELECT 1, 'account', substr(uuid_send(gen_random_uuid()), 1, {TOKEN_BYTES}), gen_random_uuid()
FROM generate_series(1, $1::int)
"""

_PRIMARY_KEY: Final = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'identities'::regclass AND contype = 'p'
"""

_INDEX: Final = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename = 'terms'"


async def load_claims(database: Database, count: int) -> None:
    """Add so many rows to both tables."""
    async with database.session() as one, database.session() as other:
        await asyncio.gather(_load_identities(one, count), _load_terms(other, count))


async def _load_identities(connection: Connection, count: int) -> None:
    ((name, definition),) = await connection.fetch(_PRIMARY_KEY)
    await connection.execute(f"ALTER TABLE identities DROP CONSTRAINT {name}")
    await _insert(connection, _IDENTITIES, count)
    await _build(connection, f"ALTER TABLE identities ADD CONSTRAINT {name} {_with_room(definition)}")


async def _load_terms(connection: Connection, count: int) -> None:
    ((name, definition),) = await connection.fetch(_INDEX)
    await connection.execute(f"DROP INDEX {name}")
    await _insert(connection, _TERMS, count)
    await _build(connection, _with_room(definition))


async def _insert(connection: Connection, statement: str, count: int) -> None:
    for done in range(0, count, BULK):
        await connection.execute(statement, min(BULK, count - done), timeout=None)


async def _build(connection: Connection, statement: str) -> None:
    await connection.execute("SET maintenance_work_mem = '1GB'")
    await connection.execute(statement, timeout=None)
    await connection.execute("RESET maintenance_work_mem")


def _with_room(definition: str) -> str:
    """An index's definition with a fill factor; the second time it has one."""
    return definition if " WITH " in definition else f"{definition} WITH (fillfactor = {FULL_PERCENT})"
