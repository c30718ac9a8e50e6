"""What is known of keys and catalogue, for those who ask over HTTP."""

import asyncio

from agents.catalogue_in_force import catalogue_rows
from agents.platform import Identity, Knowledge, load_knowledge
from agents.shared_reading import SharedReading
from agents.vouching import Voucher
from schemas.catalogue import CatalogueRow
from security.access.principal import Principal, Role
from streams.storage.database import Database
from streams.storage.keys import list_signing_keys
from streams.storage.registry import registry_revision


class Readers:
    """Holds what is known, renewed when the registry changes."""

    def __init__(self, database: Database, identity: Identity) -> None:
        self._database = database
        self._identity = identity
        self._lock = asyncio.Lock()
        self._voucher: Voucher | None = None
        self._revision = SharedReading(self._registered)
        self._knowledge: dict[tuple[int, str | None], Knowledge] = {}

    @staticmethod
    def reach(who: Principal) -> str | None:
        """Whose records they can ask for."""
        return None if Role.AUDITOR in who.roles else who.tenant

    async def knowledge(self, tier: int, tenant: str | None) -> Knowledge:
        """What is known now, with tier keys up to a tier, and of one tenant's domains unless that is None."""
        revision = await self._revision.get()
        async with self._lock:
            held = self._knowledge.get((tier, tenant))
            if held is None or held.revision != revision:
                held = self._knowledge[tier, tenant] = await load_knowledge(
                    self._database, self._identity, tier, await self._domains(tenant)
                )
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

    async def _domains(self, tenant: str | None) -> set[tuple[str, str]] | None:
        if tenant is None:
            return None
        async with self._database.session(clean=True) as connection:
            return {(row.tenant, row.domain) for row in await list_signing_keys(connection) if row.tenant == tenant}
