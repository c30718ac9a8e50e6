"""What is known of keys and catalogue, for those who ask over HTTP: read anew when the registry changes."""

import asyncio

from agents.access.shared_reading import SharedReading
from agents.platform.catalogue_in_force import catalogue_rows
from agents.platform.identity import Identity
from agents.platform.knowledge import Knowledge, load_knowledge
from agents.platform.vouching import Vouching
from schemas.catalogue import CatalogueRow
from streams.storage.database import Database
from streams.storage.registry import registry_revision


class CurrentKnowledge:
    """Holds what is known now.

    Args:
        held: Whether tier keys are; if not, another process opens fields.
    """

    def __init__(self, database: Database, identity: Identity, *, held: bool = True) -> None:
        self._keys_held = held
        self._database = database
        self._identity = identity
        self._lock = asyncio.Lock()
        self._voucher: Vouching | None = None
        self._revision = SharedReading(self._registered)
        self._held: dict[int, Knowledge] = {}

    async def up_to(self, tier: int) -> Knowledge:
        """What is known now, with tier keys up to a tier."""
        revision = await self._revision.get()
        tier = tier if self._keys_held else 0
        async with self._lock:
            held = self._held.get(tier)
            if held is None or held.revision != revision:
                held = await load_knowledge(self._database, self._identity, tier, held=self._keys_held)
                self._held[tier] = held
            return held

    async def catalogue(self) -> list[CatalogueRow]:
        """How fields are kept now."""
        if self._voucher is None:
            self._voucher = await asyncio.to_thread(self._identity.voucher)
        async with self._database.session(clean=True) as connection:
            return await catalogue_rows(connection, self._voucher)

    async def _registered(self) -> int:
        async with self._database.session(clean=True) as connection:
            return await registry_revision(connection)
