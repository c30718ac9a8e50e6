"""Versions of the policies: proposed, then adopted. Which is in force, and changing it: agents.access.policy_keeper."""

from dataclasses import dataclass

import asyncpg

from schemas.errors import ConfigurationError
from streams.storage.database import Connection

_COLUMNS = "version, based_on, text, digest, proposer, adopter, mac"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRow:
    """A version as stored.

    Attributes:
        based_on: The version that was in force when it was proposed; 0 is what the program ships.
        digest: Of text and schema.
        adopter: None while it is only proposed.
        mac: The platform's over the rest, once it is adopted.
    """

    version: int
    based_on: int
    text: str
    digest: str
    proposer: str
    adopter: str | None = None
    mac: bytes | None = None


async def policy_in_force(connection: Connection) -> PolicyRow | None:
    """The newest adopted version; None before the first."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM access_policies WHERE adopter IS NOT NULL ORDER BY version DESC LIMIT 1"  # noqa: S608
    )
    return None if row is None else PolicyRow(**row)


async def find_policy(connection: Connection, *, version: int | None = None, digest: str | None = None) -> PolicyRow:
    """One version, by its number or its digest.

    Raises:
        ConfigurationError: There is none.
    """
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM access_policies WHERE version = $1 OR digest = $2 ORDER BY version DESC LIMIT 1",  # noqa: S608
        version,
        digest,
    )
    if row is None:
        raise ConfigurationError("there is no such version of the policies; `sealstream access policies` lists them")
    return PolicyRow(**row)


async def list_policies(connection: Connection) -> list[PolicyRow]:
    """All versions."""
    rows = await connection.fetch(f"SELECT {_COLUMNS} FROM access_policies ORDER BY version")  # noqa: S608
    return [PolicyRow(**row) for row in rows]


async def insert_policy(connection: Connection, row: PolicyRow) -> None:
    """Add a proposed version; within `changing_access`.

    Raises:
        ConfigurationError: Somebody proposed one of that number.
    """
    try:
        await connection.execute(
            "INSERT INTO access_policies (version, based_on, text, digest, proposer) VALUES ($1, $2, $3, $4, $5)",
            row.version,
            row.based_on,
            row.text,
            row.digest,
            row.proposer,
        )
    except asyncpg.UniqueViolationError as exc:
        raise ConfigurationError("somebody proposed that version just now; look at it, then propose again") from exc


async def adopt_policy(connection: Connection, row: PolicyRow) -> None:
    """Put a proposed version in force; within `changing_access`."""
    await connection.execute(
        "UPDATE access_policies SET adopter = $2, mac = $3 WHERE version = $1", row.version, row.adopter, row.mac
    )
