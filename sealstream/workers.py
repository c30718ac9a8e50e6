"""What `sealstream worker` runs: the roles of one process, until it is told to stop.

A role outlasts outages: it is begun anew, with growing pauses, for as long as what stopped it can pass by itself. How
each part is doing stands in the health.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Collection
from contextlib import AsyncExitStack
from enum import StrEnum
from pathlib import Path
from typing import Final, NoReturn, cast

import aiohttp
import structlog

from agents.completeness.order_keeper import OrderKeeper
from agents.inference.transaction_kind import load_default_engine
from agents.intake.progress import Progress
from agents.intake.setup import COMMITS, KEYS, IntakeParts, keep_current, open_index_keys
from agents.intake.worker import IntakeWorker, beside
from agents.keys.subscription_keeper import SubscriptionKeeper
from agents.log.publication_check import refuse_if_behind
from agents.log.sequencer import Sequencer
from agents.log.timestamping import Timestamping
from agents.log.witnessing import AskedWitness, Witnessing
from agents.platform.identity import position_key
from agents.platform.knowledge import load_knowledge
from agents.relay.relay import Relay
from agents.shards.closing import ShardOpener
from agents.upkeep.erasing import erase_again
from sealstream.attestor_client import HttpAuthority, HttpWitness
from sealstream.draining import run_until_told
from sealstream.infer_role import infer
from sealstream.observe import Observation, observed
from sealstream.settings import Settings
from sealstream.wiring import (
    connected,
    known_witnesses,
    model_store,
    notice_topics,
    open_identity,
    open_relay_publication,
    published_positions,
    required_kafka,
    timestamp_authorities,
)
from security.commit_signature import WorkerKey
from streams.app import build_app, running
from streams.endurance import Part
from streams.frames import FrameConsumer, FrameOptions
from streams.health import Health, State
from streams.jwks_endpoint import fetch_jwks
from streams.kafka import require_access
from streams.storage import keys
from streams.storage.database import Database
from streams.storage.ids import IdBlock
from streams.storage.ownership import owned
from streams.storage.witnessing import ATTESTING_LOCK
from streams.topics import cluster_id, require_visible

log = structlog.get_logger(__name__)

DATABASE: Final = "database"
KAFKA: Final = "kafka"
INTAKE: Final = "intake"
SEQUENCER: Final = "sequencer"
RELAY: Final = "relay"
INFER: Final = "infer"
SUBSCRIPTIONS: Final = "subscriptions"
ATTESTING: Final = "attesting"

WATCH_SECONDS: Final = 2.0
READY_SECONDS: Final = 0.02


class Role(StrEnum):
    """What a worker does."""

    INTAKE = "intake"
    INFER = "infer"
    SEQUENCE = "sequence"
    RELAY = "relay"
    ALL = "all"


PARTS: Final = {
    Role.INTAKE: (INTAKE, COMMITS, KEYS, KAFKA),
    Role.INFER: (INFER,),
    Role.SEQUENCE: (SEQUENCER,),
    Role.RELAY: (RELAY,),
}
"""What each role reports to the health as, beside the database and each partition that must not be read."""


def parts_of(roles: Collection[Role]) -> list[str]:
    """The parts without which a process with these roles is not ready."""
    return [DATABASE, *(part for role in PARTS if role in roles for part in PARTS[role])]


async def run_worker(settings: Settings, roles: Collection[Role], on_ready: Callable[[str | None], None]) -> None:
    """Run these roles until SIGTERM or Ctrl-C; what is in work is committed first.

    Args:
        on_ready: Called once, when all parts first work, with the URL of metrics and health. An intake worker has its
            partitions then; some of them may be refused.

    Raises:
        SealstreamError: A role can't go on; the process ends and its supervisor starts another.
    """
    wanted = set(PARTS) if Role.ALL in roles else set(roles)
    health = Health(parts_of(wanted))
    async with observed(settings, ",".join(sorted(wanted)), health) as observation:
        await run_until_told(Worker(settings, wanted, health, observation).run(on_ready), settings.drain_limit)


class Worker:
    """The roles of one process, over one pool of connections."""

    def __init__(self, settings: Settings, roles: Collection[Role], health: Health, observation: Observation) -> None:
        self._settings = settings
        self._roles = roles
        self._health = health
        self._observation = observation
        self._identity = open_identity(settings)
        self._key: WorkerKey | None = None
        # Its readiness does not depend on it: whoever attests is not ours.
        self._attests = Role.SEQUENCE in roles and bool(settings.witnesses or settings.timestamp_url)

    async def run(self, on_ready: Callable[[str | None], None]) -> None:
        """Run all roles; when one of them fails for good, the others wind up."""
        settings = self._settings
        part = Part(self._health, DATABASE)
        async with AsyncExitStack() as stack:

            async def connect() -> Database:
                return await stack.enter_async_context(
                    connected(
                        settings,
                        "worker",
                        connections=8 + 2 * self._attests + 3 * (Role.INFER in self._roles),
                        patience=settings.database_patience,
                    )
                )

            database = await part.outlast(connect)
            if {Role.SEQUENCE, Role.RELAY} & set(self._roles):
                stack.enter_context(self._observation.logs(database))
            if Role.INFER in self._roles:
                stack.enter_context(self._observation.lanes(database))
            works = {
                Role.INTAKE: (INTAKE, self._intake),
                Role.INFER: (INFER, self._infer),
                Role.SEQUENCE: (SEQUENCER, self._sequence),
                Role.RELAY: (RELAY, self._relay),
            }
            try:
                async with asyncio.TaskGroup() as group:
                    for role in self._roles:
                        name, work = works[role]
                        group.create_task(self._role(name, work, database), name=name)
                    if self._attests:
                        group.create_task(self._role(ATTESTING, self._attest, database), name=ATTESTING)
                    group.create_task(_watch(part, database.answers), name=DATABASE)
                    group.create_task(self._tell_when_ready(on_ready), name="ready")
            except BaseExceptionGroup as failures:
                # The first one made the others wind up.
                raise failures.exceptions[0] from None

    async def _role(self, name: str, work: Callable[[Part, Database], Awaitable[None]], database: Database) -> None:
        part = Part(self._health, name)
        try:
            await part.keep_going(lambda: work(part, database))
        except Exception as exc:
            part.failed(exc)
            raise

    async def _tell_when_ready(self, on_ready: Callable[[str | None], None]) -> None:
        needed = parts_of(self._roles)
        # The health is a plain record, and this ends soon after the start.
        while any(self._health.parts()[name].state is not State.WORKING for name in needed):  # noqa: ASYNC110
            await asyncio.sleep(READY_SECONDS)
        on_ready(self._observation.url)

    async def _intake(self, part: Part, database: Database) -> None:
        settings = self._settings
        kafka = required_kafka(settings)
        cluster = await cluster_id(kafka)
        await require_visible(kafka, settings.topics_in)
        published = await published_positions(settings)
        async with database.session() as connection:
            await refuse_if_behind(connection, published)
            await erase_again(connection)
        key = await self._worker_key()
        knowledge = await load_knowledge(database, self._identity)
        await open_index_keys(self._identity, knowledge)
        async with database.session() as connection:
            await keys.register_worker(connection, key.worker_id, key.public_key, key.certificate)
        parts = IntakeParts(
            database,
            self._identity,
            knowledge,
            key,
            load_default_engine(),
            group=settings.group,
            cluster=cluster,
            store=model_store(settings),
            tier_key_ttl=settings.tier_key_ttl,
            health=self._health,
            observer=self._observation.observer,
        )
        del knowledge  # or its tier keys would outlive their time limit in this frame
        progress = Progress(database, settings.group, cluster, position_key(self._identity))
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
            renewing = keep_current(database, parts, self._health)
            async with (
                beside(parts.committer.run(), COMMITS),
                beside(renewing, KEYS),
                running(app),
                beside(progress.watch(cast(FrameConsumer, app.consumer)), "progress-watch"),
            ):
                consumer = cast(FrameConsumer, app.consumer)
                part.working()
                self._health.working(COMMITS)
                with self._observation.consumer(consumer):
                    await self._watch_kafka(consumer, progress)

    async def _infer(self, part: Part, database: Database) -> None:
        key = await self._worker_key()
        await infer(self._settings, self._identity, key, database, part, self._health, self._observation.observer)

    async def _worker_key(self) -> WorkerKey:
        """This process's key: the same however often the role begins anew."""
        if self._key is None:
            self._key = await asyncio.to_thread(self._identity.new_worker)
        return self._key

    async def _watch_kafka(self, consumer: FrameConsumer, progress: Progress) -> NoReturn:
        """Ask the brokers, and tell which partitions are refused: they wait for an operator, the others go on."""
        part = Part(self._health, KAFKA)
        told: set[str] = set()
        try:
            while True:
                await part.outlast(consumer.answers)
                refused = {f"partition {tp.topic}/{tp.partition}": str(why) for tp, why in progress.refusals.items()}
                for name, why in refused.items():
                    self._health.waiting(name, why)
                for name in told - refused.keys():
                    self._health.forget(name)
                told = set(refused)
                await asyncio.sleep(WATCH_SECONDS)
        finally:
            for name in told:
                self._health.forget(name)

    async def _sequence(self, part: Part, database: Database) -> None:
        order = OrderKeeper(
            database,
            await self._worker_key(),
            IdBlock(database, "commit_ids"),
            self._settings.sequence_window,
        )
        sequencer = Sequencer(
            database,
            self._identity.signer_of,
            await asyncio.to_thread(self._identity.authority),
            lambda: published_positions(self._settings),
            checkpoint_every=self._settings.checkpoint_every,
            working=part.working,
            behind=order.step,
            opener=ShardOpener(database, self._identity.new_worker),
        )
        following = Part(self._health, SUBSCRIPTIONS)
        keeper = SubscriptionKeeper(database, self._identity, self._health, fetch_jwks, working=following.working)
        # Outlasts its own outages: an endpoint must never hold up the log.
        async with beside(following.keep_going(keeper.run), SUBSCRIPTIONS):
            await sequencer.run()

    async def _attest(self, part: Part, database: Database) -> None:
        """Have what is signed attested by others, as one of all sequencing processes."""
        settings = self._settings
        async with (
            aiohttp.ClientSession() as session,
            owned(database, ATTESTING_LOCK, part.working),
        ):
            witnesses = [
                AskedWitness(verifier, HttpWitness(session, url)) for url, verifier in known_witnesses(settings)
            ]
            every = max(1.0, settings.checkpoint_every.total_seconds())
            works = [Witnessing(database, witnesses, every=every, working=part.working).run()]
            if settings.timestamp_url is not None:
                works.append(
                    Timestamping(
                        database,
                        HttpAuthority(session, settings.timestamp_url),
                        timestamp_authorities(settings),
                        every=settings.timestamp_every.total_seconds(),
                        working=part.working,
                    ).run()
                )
            try:
                async with asyncio.TaskGroup() as group:
                    for work in works:
                        group.create_task(work)
            except BaseExceptionGroup as failures:
                raise failures.exceptions[0] from None

    async def _relay(self, part: Part, database: Database) -> None:
        await require_access(required_kafka(self._settings))
        await Relay(
            database,
            lambda: open_relay_publication(self._settings),
            notice_topics,
            lambda row: self._identity.notice_signer(row.tenant, row.shard),
            working=part.working,
            observer=self._observation.observer,
        ).run()


async def _watch(part: Part, answers: Callable[[], Awaitable[None]]) -> NoReturn:
    """Ask a server again and again whether it is there, so that the health knows while there is nothing to do."""
    while True:
        await part.outlast(answers)
        await asyncio.sleep(WATCH_SECONDS)
