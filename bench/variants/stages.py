"""The product's stages, commit and watermarks, opened for a variant that brings its own way of reading."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from agents.committer import GroupCommitter
from agents.inference.transaction_kind import load_default_engine
from agents.intake_setup import IntakeParts
from agents.pipeline import Pipeline
from agents.platform import load_knowledge
from sealstream.settings import Settings
from sealstream.wiring import connected, open_identity, required_kafka
from streams.storage import keys
from streams.storage.database import Database
from streams.storage.watermarks import Partition, read_positions
from streams.topics import cluster_id


@dataclass(slots=True)
class Watermarks:
    """Where each partition stands by PostgreSQL's word; what is not stored has its first commit before it."""

    database: Database
    group: str
    cluster: str
    fresh: set[Partition] = field(default_factory=set)

    async def read(self, places: Collection[Partition]) -> Mapping[Partition, int]:
        """Stored positions; a partition without one is left out, and is fresh."""
        async with self.database.session() as connection:
            stored = await read_positions(connection, self.group, self.cluster, list(places))
        self.fresh = (self.fresh - set(places)) | (set(places) - stored.keys())
        return stored


@dataclass(frozen=True, slots=True)
class Stages:
    """What every variant shares, the same code and the same objects as in the product."""

    pipeline: Pipeline
    committer: GroupCommitter
    watermarks: Watermarks


@asynccontextmanager
async def open_stages(settings: Settings) -> AsyncIterator[Stages]:
    """Open them as `sealstream.workers` does."""
    async with connected(settings, "bench", connections=6) as database:
        cluster = await cluster_id(required_kafka(settings))
        identity = open_identity(settings)
        knowledge = await load_knowledge(database, identity)
        worker = identity.new_worker()
        async with database.session() as connection:
            await keys.register_worker(connection, worker.worker_id, worker.public_key, worker.certificate)
        parts = IntakeParts(
            database, identity, knowledge, worker, load_default_engine(), group=settings.group, cluster=cluster
        )
        yield Stages(parts.pipeline, parts.committer, Watermarks(database, settings.group, cluster))
