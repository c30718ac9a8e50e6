"""The field catalogue as stored: defaults from code on an empty database, then what operators registered."""

from collections.abc import Iterable

from schemas.catalogue import CatalogueRow
from streams.storage.database import Connection


async def seed_catalogue(connection: Connection, rows: Iterable[CatalogueRow]) -> None:
    """Add the rows that are not there yet; what stands there wins."""
    await connection.executemany(
        """
        INSERT INTO catalogue_fields (tenant, record_type, field, domain, tier, search)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
        """,
        [(row.tenant, row.record_type, row.field, row.domain, row.tier, row.search) for row in rows],
    )


async def read_catalogue(connection: Connection) -> list[CatalogueRow]:
    """All rows."""
    rows = await connection.fetch("SELECT tenant, record_type, field, domain, tier, search FROM catalogue_fields")
    return [CatalogueRow(**row) for row in rows]
