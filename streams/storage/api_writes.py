"""Answers to writes over HTTP by their idempotency key, so that a write that is sent again is not done again."""

import datetime as dt
from dataclasses import dataclass
from typing import Final

from streams.storage.database import Connection

KEPT: Final = dt.timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class StoredWrite:
    """A write that was begun.

    Attributes:
        digest: Of the request, keyed.
        status: Of its answer; None while it is under way, or when the process ended before it was answered.
    """

    digest: bytes
    status: int | None
    body: bytes | None


async def begin_write(connection: Connection, person: str, key: str, digest: bytes) -> StoredWrite | None:
    """Claim a key; None when it is ours now, or what is known of the write that has it."""
    await connection.execute("DELETE FROM api_writes WHERE created_at < clock_timestamp() - $1::interval", KEPT)
    done = await connection.execute(
        "INSERT INTO api_writes (person, key, digest) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", person, key, digest
    )
    if done == "INSERT 0 1":
        return None
    row = await connection.fetchrow(
        "SELECT digest, status, body FROM api_writes WHERE person = $1 AND key = $2", person, key
    )
    # Whoever claimed it gave it up between the two statements: to the caller that is a write under way.
    return StoredWrite(**row) if row is not None else StoredWrite(digest, None, None)


async def end_write(connection: Connection, person: str, key: str, status: int, body: bytes) -> None:
    """Keep the answer."""
    await connection.execute(
        "UPDATE api_writes SET status = $3, body = $4 WHERE person = $1 AND key = $2", person, key, status, body
    )


async def give_up_write(connection: Connection, person: str, key: str) -> None:
    """Free a key whose write was refused: nothing was done."""
    await connection.execute("DELETE FROM api_writes WHERE person = $1 AND key = $2 AND status IS NULL", person, key)
