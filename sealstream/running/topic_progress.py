"""How far the inbound topics are read, whether the broker still holds what was read, and reading on elsewhere."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from faust.types import TP

from agents.intake.continuity import PartitionRefused, judge, last_offset
from agents.platform.identity import position_key
from agents.platform.knowledge import load_knowledge
from agents.recovering.watermark import Recovery
from schemas.errors import ConfigurationError
from sealstream.settings import Settings
from sealstream.wiring import connected, open_identity, required_kafka
from streams.frames import Holding, PartitionProbe, open_probe
from streams.storage.database import Database
from streams.storage.watermarks import StoredPosition, read_positions
from streams.topics import cluster_id

LOWEST_TIER: Final = 1


@dataclass(frozen=True, slots=True)
class PartitionProgress:
    """One partition.

    Attributes:
        stored: Where it is to be read on; None where nothing was read yet.
        holding: What the broker holds; None when it did not answer.
        refusal: Why it must not be read on there.
    """

    tp: TP
    stored: StoredPosition | None
    holding: Holding | None
    refusal: PartitionRefused | None


async def show_progress(settings: Settings, topics: Sequence[str]) -> list[PartitionProgress]:
    """How these topics stand, or all inbound ones, partition by partition."""
    async with _opened(settings) as (database, cluster, probe):
        tps = [TP(topic, number) for topic in topics or settings.topics_in for number in await probe.partitions(topic)]
        stored = await _stored(database, settings.group, cluster, tps)
        holdings = await probe.look({tp: last_offset(stored.get(tp)) for tp in tps})
    key = position_key(open_identity(settings))
    return [
        PartitionProgress(
            tp,
            stored.get(tp),
            holdings.get(tp),
            judge(key, (tp.topic, tp.partition), stored.get(tp), holdings.get(tp)),
        )
        for tp in tps
    ]


async def resume(settings: Settings, topic: str, partition: int, at: str, reason: str) -> tuple[int | None, int]:
    """Have a partition read on elsewhere; returns the position before and the new one.

    Raises:
        ConfigurationError: The topic is not an inbound one, or the broker does not hold such a place.
        WatermarkMoved: A worker moved the watermark meanwhile.
    """
    if topic not in settings.topics_in:
        raise ConfigurationError(f"topic {topic!r} is not read; inbound are {', '.join(settings.topics_in)}")
    tp = TP(topic, partition)
    async with _opened(settings) as (database, cluster, probe):
        if partition not in await probe.partitions(topic):
            raise ConfigurationError(f"topic {topic!r} has no partition {partition}")
        holding = (await probe.look({tp: 0})).get(tp)
        if holding is None:
            raise ConfigurationError(f"the leader of {topic}[{partition}] does not answer; try again when it does")
        identity = open_identity(settings)
        knowledge = await load_knowledge(database, identity, max_tier=LOWEST_TIER)
        recovery = Recovery(database, identity, knowledge, identity.new_worker(), group=settings.group, cluster=cluster)
        return await recovery.resume((topic, partition), holding, at, reason)


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[Database, str, PartitionProbe]]:
    kafka = required_kafka(settings)
    cluster = await cluster_id(kafka)
    async with connected(settings, "progress", connections=2) as database, open_probe(kafka) as probe:
        yield database, cluster, probe


async def _stored(database: Database, group: str, cluster: str, tps: Sequence[TP]) -> dict[TP, StoredPosition]:
    async with database.session() as connection:
        found = await read_positions(connection, group, cluster, tps)
    return {TP(*place): position for place, position in found.items()}
