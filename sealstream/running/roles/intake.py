"""The role `intake` of a worker: takes what was published through the stages and commits it."""

import asyncio
import tempfile
from pathlib import Path
from typing import Final, NoReturn, cast

from agents.inference.transaction_kind import load_default_engine
from agents.intake.progress import Progress
from agents.intake.setup import COMMITS, KEYS, IntakeParts, keep_current, open_index_keys
from agents.intake.worker import IntakeWorker, beside
from agents.log.publication_check import refuse_if_behind
from agents.platform.identity import position_key
from agents.platform.knowledge import load_knowledge
from agents.upkeep.erasing import erase_again
from sealstream.running.roles.means import Means
from sealstream.wiring import model_store, published_positions, required_kafka
from streams.app import build_app, running
from streams.endurance import Part
from streams.frames import FrameConsumer, FrameOptions
from streams.health import Health
from streams.storage import keys
from streams.topics import cluster_id, require_visible

KAFKA: Final = "kafka"
WATCH_SECONDS: Final = 2.0


async def take_in(means: Means, part: Part) -> NoReturn:
    """Take in until cancelled.

    Raises:
        Unavailable: A server is away: run again.
        BehindPublication: The database holds less than what is published.
    """
    settings, database = means.settings, means.database
    kafka = required_kafka(settings)
    cluster = await cluster_id(kafka)
    await require_visible(kafka, settings.topics_in)
    published = await published_positions(settings)
    async with database.session() as connection:
        await refuse_if_behind(connection, published)
        await erase_again(connection)
    parts = await _parts(means, cluster)
    progress = Progress(database, settings.group, cluster, position_key(means.identity))
    options = FrameOptions(
        positions=lambda consumer, tps: part.outlast(lambda: progress.positions(consumer, tps)),
        budget_bytes=settings.budget_bytes,
        max_frame_records=settings.max_frame_records,
        consumer_options={"fetch_max_wait_ms": int(settings.fetch_max_wait.total_seconds() * 1000)},
    )
    with tempfile.TemporaryDirectory(prefix="sealstream-faust-") as datadir:
        app = build_app(
            settings.group,
            kafka=kafka,
            frames=options,
            datadir=Path(datadir),
            session_timeout=settings.session_timeout,
        )
        IntakeWorker(parts.pipeline, parts.committer, progress).attach(app, settings.topics_in)
        async with (
            beside(parts.committer.run(), COMMITS),
            beside(keep_current(database, parts, means.health), KEYS),
            running(app),
            beside(progress.watch(cast(FrameConsumer, app.consumer)), "progress-watch"),
        ):
            consumer = cast(FrameConsumer, app.consumer)
            part.working()
            means.health.working(COMMITS)
            with means.observation.consumer(consumer):
                await _watch_kafka(means.health, consumer, progress)


async def _parts(means: Means, cluster: str) -> IntakeParts:
    """What intake works with. The knowledge that it is made of is held by it alone: tier keys have a time limit."""
    settings, database = means.settings, means.database
    key = await means.worker_key()
    knowledge = await load_knowledge(database, means.identity)
    await open_index_keys(means.identity, knowledge)
    async with database.session() as connection:
        await keys.register_worker(connection, key.worker_id, key.public_key, key.certificate)
    return IntakeParts(
        database,
        means.identity,
        knowledge,
        key,
        load_default_engine(),
        group=settings.group,
        cluster=cluster,
        store=model_store(settings),
        tier_key_ttl=settings.tier_key_ttl,
        health=means.health,
        observer=means.observation.observer,
    )


async def _watch_kafka(health: Health, consumer: FrameConsumer, progress: Progress) -> NoReturn:
    """Ask the brokers, and tell which partitions are refused: they wait for an operator, the others go on."""
    part = Part(health, KAFKA)
    told: set[str] = set()
    try:
        while True:
            await part.outlast(consumer.answers)
            refused = {f"partition {tp.topic}/{tp.partition}": str(why) for tp, why in progress.refusals.items()}
            for name, why in refused.items():
                health.waiting(name, why)
            for name in told - refused.keys():
                health.forget(name)
            told = set(refused)
            await asyncio.sleep(WATCH_SECONDS)
    finally:
        for name in told:
            health.forget(name)
