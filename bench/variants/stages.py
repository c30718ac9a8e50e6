"""The product's stages, commit and watermarks, opened for a variant that brings its own way of reading."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from agents.intake.committer import GroupCommitter
from agents.intake.pipeline import Pipeline
from bench.intake import open_intake
from sealstream.settings import Settings
from sealstream.wiring import connected, required_kafka
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
        return {place: position.offset for place, position in stored.items()}


@dataclass(frozen=True, slots=True)
class Stages:
    """What every variant shares, the same code and the same objects as in the product."""

    pipeline: Pipeline
    committer: GroupCommitter
    watermarks: Watermarks


@asynccontextmanager
async def open_stages(settings: Settings) -> AsyncIterator[Stages]:
    """Open them as `sealstream.running.roles.intake` does."""
    async with connected(settings, "bench", connections=6, patience=settings.database_patience) as database:
        cluster = await cluster_id(required_kafka(settings))
        intake = await open_intake(database, settings, group=settings.group, cluster=cluster)
        yield Stages(intake.pipeline, intake.committer, Watermarks(database, settings.group, cluster))
