"""What every role of a worker works with."""

import asyncio
from dataclasses import dataclass, field

from agents.platform.identity import Identity
from sealstream.observe import Observation
from sealstream.settings import Settings
from security.commit_signature import WorkerKey
from streams.health import Health
from streams.storage.database import Database


@dataclass(slots=True)
class Means:
    """Of one process, shared by its roles."""

    settings: Settings
    identity: Identity
    database: Database
    health: Health
    observation: Observation
    _key: WorkerKey | None = field(default=None, repr=False)

    async def worker_key(self) -> WorkerKey:
        """This process's key: the same however often a role begins anew."""
        if self._key is None:
            self._key = await asyncio.to_thread(self.identity.new_worker)
        return self._key
