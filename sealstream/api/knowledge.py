"""What is known of keys and catalogue, for those who ask over HTTP: read anew when the registry changes."""

import asyncio

from agents.catalogue_in_force import catalogue_rows
from agents.platform import Identity, Knowledge, load_knowledge
from agents.shared_reading import SharedReading
from agents.vouching import Voucher
from schemas.catalogue import CatalogueRow
from streams.storage.database import Database
from streams.storage.registry import registry_revision


class CurrentKnowledge:
    """Holds what is known now."""

    def __init__(self, database: Database, identity: Identity) -> None:
        self._database = database
        self._identity = identity
        self._lock = asyncio.Lock()
        self._voucher: Voucher | None = None
        self._revision = SharedReading(self._registered)
        self._held: dict[int, Knowledge] = {}

    async def up_to(self, tier: int) -> Knowledge:
        """What is known now, with tier keys up to a tier."""
        revision = await self._revision.get()
        async with self._lock:
            held = self._held.get(tier)
            if held is None or held.revision != revision:
                held = self._held[tier] = await load_knowledge(self._database, self._identity, tier)
            return held

    async def catalogue(self) -> list[CatalogueRow]:
        """How fields are kept now."""
        if self._voucher is None:
            self._voucher = await asyncio.to_thread(Voucher, self._identity.keyring)
        async with self._database.session(clean=True) as connection:
            return await catalogue_rows(connection, self._voucher)

    async def _registered(self) -> int:
        async with self._database.session(clean=True) as connection:
            return await registry_revision(connection)
