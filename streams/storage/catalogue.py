"""The catalogue as stored: defaults from code on an empty database, and registered entries with their versions."""

from collections.abc import Iterable
from dataclasses import dataclass

import asyncpg

from schemas.catalogue import CatalogueRow
from schemas.errors import ConfigurationError
from streams.storage.database import Connection

_COLUMNS = "tenant, record_type, version, based_on, text, digest, proposer, adopter, mac"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    """A version of an entry as stored.

    Attributes:
        based_on: The version that was in force when it was proposed; 0 before the first.
        text: Of a `CatalogueEntry`, in its one form.
        adopter: None while it is only proposed.
        mac: The platform's over the rest, once it is adopted.
    """

    tenant: str
    record_type: str
    version: int
    based_on: int
    text: str
    digest: str
    proposer: str
    adopter: str | None = None
    mac: bytes | None = None

    @property
    def name(self) -> str:
        """For messages."""
        return f"catalogue of {self.record_type!r} for tenant {self.tenant!r}, version {self.version}"


async def seed_catalogue(connection: Connection, rows: Iterable[CatalogueRow]) -> None:
    """Add the rows that are not there yet; what stands there wins."""
    await connection.executemany(
        """
        INSERT INTO catalogue_fields (tenant, record_type, field, domain, tier, search)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
        """,
        [(row.tenant, row.record_type, row.field, row.domain, row.tier, row.search) for row in rows],
    )


async def unregistered_rows(connection: Connection) -> list[CatalogueRow]:
    """The rows that no entry is behind: the program's defaults, and what was written by SQL."""
    rows = await connection.fetch("SELECT tenant, record_type, field, domain, tier, search FROM catalogue_fields")
    return [CatalogueRow(**row) for row in rows]


async def list_entries(connection: Connection) -> list[EntryRow]:
    """All versions of all entries, proposed ones too."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM catalogue_versions ORDER BY tenant, record_type, version"  # noqa: S608 a constant
    )
    return [EntryRow(**row) for row in rows]


async def entry_versions(connection: Connection, tenant: str, record_type: str) -> list[EntryRow]:
    """The versions of one entry, the oldest first."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM catalogue_versions WHERE tenant = $1 AND record_type = $2 ORDER BY version",  # noqa: S608
        tenant,
        record_type,
    )
    return [EntryRow(**row) for row in rows]


async def entries_in_force(connection: Connection) -> list[EntryRow]:
    """The newest adopted version of each entry."""
    rows = await connection.fetch(
        f"SELECT DISTINCT ON (tenant, record_type) {_COLUMNS} FROM catalogue_versions "  # noqa: S608 a constant
        "WHERE adopter IS NOT NULL ORDER BY tenant, record_type, version DESC"
    )
    return [EntryRow(**row) for row in rows]


async def insert_entry(connection: Connection, row: EntryRow) -> None:
    """Add a proposed version.

    Raises:
        ConfigurationError: Somebody proposed one of that number.
    """
    try:
        await connection.execute(
            "INSERT INTO catalogue_versions (tenant, record_type, version, based_on, text, digest, proposer) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7)",
            row.tenant, row.record_type, row.version, row.based_on, row.text, row.digest, row.proposer,
        )  # fmt: skip
    except asyncpg.UniqueViolationError as exc:
        raise ConfigurationError("somebody proposed that version just now; look at it, then propose again") from exc


async def adopt_entry(connection: Connection, row: EntryRow) -> None:
    """Put a proposed version in force; within `changing_registry`."""
    await connection.execute(
        "UPDATE catalogue_versions SET adopter = $4, mac = $5 WHERE tenant = $1 AND record_type = $2 AND version = $3",
        row.tenant, row.record_type, row.version, row.adopter, row.mac,
    )  # fmt: skip
