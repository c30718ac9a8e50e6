"""What `sealstream worker` runs: the roles of one process, until it is told to stop."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import cast

from agents.inference.transaction_kind import load_default_engine
from agents.intake_setup import IntakeParts, keep_current
from agents.observation import Observer
from agents.platform import load_knowledge, position_key
from agents.progress import Progress
from agents.relay import Relay
from agents.sequencer import Sequencer
from agents.worker import IntakeWorker, beside
from sealstream.observe import Observation, observed
from sealstream.settings import Settings
from sealstream.wiring import connected, notice_topics, open_identity, required_kafka
from streams.app import build_app, running
from streams.frames import FrameConsumer, FrameOptions
from streams.health import Health
from streams.kafka import require_access
from streams.notices import KafkaNoticeSink
from streams.storage import keys
from streams.storage.database import Database
from streams.topics import cluster_id, require_visible


class Role(StrEnum):
    """What a worker does."""

    INTAKE = "intake"
    SEQUENCE = "sequence"
    RELAY = "relay"
    ALL = "all"


async def run_worker(settings: Settings, roles: Collection[Role], on_ready: Callable[[str | None], None]) -> None:
    """Run these roles until SIGTERM or Ctrl-C; what is in work is committed first.

    Args:
        on_ready: Called once, when an intake worker has its partitions, with the URL of metrics and health.

    Raises:
        SealstreamError: A role can't go on; the process ends and its supervisor starts another.
    """
    wanted = set(Role) if Role.ALL in roles else set(roles)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    health = Health(wanted - {Role.ALL})
    async with AsyncExitStack() as stack:
        observation = await stack.enter_async_context(observed(settings, ",".join(sorted(wanted)), health))
        database = await stack.enter_async_context(connected(settings, "worker", connections=6))
        if {Role.SEQUENCE, Role.RELAY} & wanted:
            stack.enter_context(observation.logs(database))
        background = await stack.enter_async_context(_background(settings, wanted, database, observation.observer))
        if Role.INTAKE in wanted:
            await stack.enter_async_context(_intake(settings, database, observation))
        for part in wanted - {Role.ALL}:
            health.working(part)
        on_ready(observation.url)
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({stopping, *background}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for task in background:
            if task.done():
                task.result()


@asynccontextmanager
async def _intake(settings: Settings, database: Database, observation: Observation) -> AsyncIterator[None]:
    kafka = required_kafka(settings)
    cluster = await cluster_id(kafka)
    await require_visible(kafka, settings.topics_in)
    identity = open_identity(settings)
    knowledge = await load_knowledge(database, identity)
    worker = identity.new_worker()
    async with database.session() as connection:
        await keys.register_worker(connection, worker.worker_id, worker.public_key, worker.certificate)
    parts = IntakeParts(
        database,
        identity,
        knowledge,
        worker,
        load_default_engine(),
        group=settings.group,
        cluster=cluster,
        observer=observation.observer,
    )
    progress = Progress(database, settings.group, cluster, position_key(identity))
    options = FrameOptions(
        positions=progress.positions,
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
        renewing = keep_current(database, parts)
        async with (
            beside(parts.committer.run(), "group-commit"),
            beside(renewing, "renewal"),
            running(app),
            beside(progress.watch(cast(FrameConsumer, app.consumer)), "progress-watch"),
        ):
            with observation.consumer(cast(FrameConsumer, app.consumer)):
                yield


@asynccontextmanager
async def _background(
    settings: Settings, roles: Collection[Role], database: Database, observer: Observer
) -> AsyncIterator[list[asyncio.Task[None]]]:
    async with AsyncExitStack() as stack:
        tasks: list[asyncio.Task[None]] = []
        if Role.SEQUENCE in roles:
            identity = open_identity(settings)
            sequencer = Sequencer(
                database,
                lambda row: identity.log_signer(row.tenant),
                identity.authority(),
                checkpoint_every=settings.checkpoint_every,
            )
            tasks.append(asyncio.create_task(sequencer.run(), name="sequencer"))
        if Role.RELAY in roles:
            kafka = required_kafka(settings)
            await require_access(kafka)
            sink = await stack.enter_async_context(KafkaNoticeSink(kafka))
            signing = open_identity(settings)
            relay = Relay(
                database, sink, notice_topics, lambda row: signing.notice_signer(row.tenant), observer=observer
            )
            tasks.append(asyncio.create_task(relay.run(), name="relay"))
        try:
            yield tasks
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
