"""Logins to the console. Whether a row is one of ours is agents.platform.vouching."""

from dataclasses import dataclass
from typing import Any

from security.access.session import ConsoleSession
from streams.storage.database import Connection

_SESSION = "digest, key_id, issuer, subject, certificate, created, ends, ended_at, mac"


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A login as stored.

    Attributes:
        mac: The platform's, over the rest but for its end.
    """

    session: ConsoleSession
    mac: bytes


async def find_session(connection: Connection, digest: bytes) -> SessionRow | None:
    """The login of a digest."""
    row = await connection.fetchrow(f"SELECT {_SESSION} FROM console_sessions WHERE digest = $1", digest)  # noqa: S608
    if row is None:
        return None
    members: dict[str, Any] = dict(row)
    mac = members.pop("mac")
    return SessionRow(ConsoleSession(**members), mac)


async def insert_session(connection: Connection, row: SessionRow) -> None:
    """Add a login."""
    session = row.session
    await connection.execute(
        f"INSERT INTO console_sessions ({_SESSION}) VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, $8)",  # noqa: S608
        session.digest,
        session.key_id,
        session.issuer,
        session.subject,
        session.certificate,
        session.created,
        session.ends,
        row.mac,
    )


async def end_session(connection: Connection, digest: bytes) -> None:
    """Let a login count no more; those that have been over for a day are dropped.

    By a function of the owner's: the console's process may end logins, and make none go on.
    """
    await connection.execute("SELECT sealstream_end_session($1)", digest)
