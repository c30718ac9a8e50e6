"""The catalogue that holds: registered entries that the platform vouches for, and for all else the stored rows."""

import asyncio

from agents.platform.vouching import Vouching
from schemas.catalogue import DEFAULT_CATALOGUE, CatalogueRow
from schemas.catalogue_entry import CatalogueEntry
from schemas.errors import ConfigurationError
from streams.storage.catalogue import EntryRow, entries_in_force, unregistered_rows
from streams.storage.database import Connection


async def catalogue_rows(connection: Connection, voucher: Vouching) -> list[CatalogueRow]:
    """How fields are kept now. Of a tenant's kind that has an entry, its stored rows count no more.

    Raises:
        ConfigurationError: An entry was changed behind the platform's back, so that nobody can say how its records
            are to be kept.
    """
    entries = await entries_in_force(connection)
    registered = {(row.tenant, row.record_type) for row in entries}
    await asyncio.to_thread(voucher.learn, entries)
    rows = [row for row in await unregistered_rows(connection) if (row.tenant, row.record_type) not in registered]
    for entry in entries:
        rows += entry_of(entry, voucher).rows()
    return rows


async def count_unregistered(connection: Connection) -> int:
    """How many rows count that are neither the program's defaults nor of an entry."""
    registered = {(row.tenant, row.record_type) for row in await entries_in_force(connection)}
    rows = set(await unregistered_rows(connection)) - set(DEFAULT_CATALOGUE)
    return sum([(row.tenant, row.record_type) not in registered for row in rows])


def entry_of(row: EntryRow, voucher: Vouching) -> CatalogueEntry:
    """The entry that a version in force is.

    Raises:
        ConfigurationError: The platform does not vouch for the row.
    """
    if not voucher.is_ours(row):
        raise ConfigurationError(
            f"{row.name}: its row does not carry the platform's MAC; run `sealstream audit verify`, and have the entry "
            "adopted anew"
        )
    return CatalogueEntry.parse(row.text)
