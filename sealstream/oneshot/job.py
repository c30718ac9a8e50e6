"""The main job, once: start what is missing, publish the feed, process it, show it, verify it."""

import asyncio
import datetime as dt
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from agents.keys.registrar import NewKey, Registrar
from agents.opening.reading import Reader, RecordView
from agents.platform.knowledge import load_knowledge
from schemas.errors import SealstreamError
from sealstream.audit.auditing import audit
from sealstream.feeds import Feed, FeedItem
from sealstream.oneshot.outcome import Outcome
from sealstream.oneshot.report import PacedPhase, RunReport, Shown, Throughput
from sealstream.producing.open_feed import open_feed
from sealstream.producing.producer_keys import make_private_key
from sealstream.producing.publish import PublishReport, publish
from sealstream.running.embedded import embedded_servers
from sealstream.running.own_models import have_text_models
from sealstream.running.supervisor import Watched, wait_for_end, worker_processes
from sealstream.settings import Settings
from sealstream.wiring import connected, create_all_topics, keyring_dir, open_identity, required_kafka
from security.signing import Signer
from streams.storage import progress
from streams.storage.database import Database
from streams.storage.deferring import deferred_counts
from streams.storage.relaying import relay_lag

PRODUCER: Final = "feed"
STRANGER: Final = "stranger"
TENANT: Final = "bank-a"
DOMAIN: Final = "payments"
SOURCE: Final = "urn:sealstream:feed"
OWN_SERVERS: Final = {
    "data_dir": None,
    "key_provider": "file",
    "keyring_dir": None,
    "database_url": None,
    "database_url_file": None,
    "kafka_bootstrap": None,
    # The embedded broker lets a group join after half of it.
    "session_timeout": dt.timedelta(seconds=2),
}
POLL_SECONDS: Final = 0.05
STALL_LIMIT: Final = 120.0
"""Seconds without any progress after which the run gives up and says so."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run.

    Attributes:
        paced_share: Share of the feed held back for the second, paced phase.
        paced_most: At most so many messages of it.
        rate: Messages a second in the paced phase.
        workers: Intake processes.
    """

    feed: str
    workers: int = 2
    paced_share: float = 0.1
    paced_most: int = 2_000
    rate: float = 200.0


class Stalled(SealstreamError):
    """Nothing moved for a long time; the workers' logs say why."""


async def run_once(settings: Settings, options: RunOptions, say: Callable[[str], None]) -> RunReport:
    """Run the job on servers of its own, in a temporary directory, whatever the settings name.

    Args:
        say: Is told what happens, a line at a time.

    Raises:
        SealstreamError: Something could not be started, or stopped by itself.
    """
    started = time.perf_counter()
    open_feed(options.feed)  # a feed that is none is refused before anything is started
    say("starting broker and database")
    async with embedded_servers(settings.model_copy(update=OWN_SERVERS)) as running:
        report = await run_on(running, options, say)
    report.seconds = time.perf_counter() - started
    return report


async def run_on(settings: Settings, options: RunOptions, say: Callable[[str], None]) -> RunReport:
    """Run the job on servers that are there: a migrated database and a broker without a record in them.

    Raises:
        SealstreamError: As `run_once`.
    """
    feed = open_feed(options.feed)
    async with connected(settings, "run") as database:
        return await _Run(settings, options, database, feed, say).through()


class _Run:
    """One run, with what its steps share."""

    def __init__(
        self, settings: Settings, options: RunOptions, database: Database, feed: Feed, say: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._options = options
        self._database = database
        self._feed = feed
        self._say = say
        self._published = 0

    async def through(self) -> RunReport:
        signer, stranger = await self._register_producer()
        total = sum(1 for _ in self._feed.items())
        held_back = min(int(total * self._options.paced_share), self._options.paced_most)
        items = iter(self._feed.items())
        self._say(f"publishing {total - held_back} messages of {self._feed.name}")
        produced = await self._publish(itertools.islice(items, total - held_back), signer, stranger, None)
        roles = [["intake"]] * self._options.workers + [["sequence", "relay"]]
        await have_text_models(self._settings)
        if self._settings.text_models:
            roles.append(["infer"])
        async with worker_processes(self._settings, roles) as workers:
            self._say(f"processing with {self._options.workers} workers")
            backlog = await self._backlog(workers, produced.messages)
            paced = None
            if held_back:
                self._say(f"publishing {held_back} messages at {self._options.rate:g} a second")
                paced = await self._paced(workers, items, signer, stranger)
            await self._lanes_empty(workers)
            shown = await self._show_one()
            await self._settled(workers)
        self._say("verifying")
        outcome = Outcome()
        verified = await audit(self._settings, observe=outcome.observe)
        differences = outcome.differences(self._feed.expectation) if self._feed.expectation else []
        return RunReport(
            feed=self._feed.name,
            messages=self._published,
            ignored=[f"{each.name}: {each.reason}" for each in self._feed.ignored],
            outcome=outcome,
            differences=differences,
            known_counts=self._feed.expectation is not None,
            published=produced,
            backlog=backlog,
            paced=paced,
            shown=shown,
            verification=verified,
        )

    async def _register_producer(self) -> tuple[Signer, Signer]:
        keyring = keyring_dir(self._settings)
        signer, stranger = make_private_key(keyring, PRODUCER), make_private_key(keyring, STRANGER)
        identity = open_identity(self._settings)
        new = NewKey(name=PRODUCER, jwk=signer.jwk, tenant=TENANT, domain=DOMAIN, sources=[SOURCE])
        await Registrar(self._database, identity).register(new)
        knowledge = await load_knowledge(self._database, identity)
        await create_all_topics(self._settings, sorted({tenant for tenant, _ in knowledge.owners}))
        return signer, stranger

    async def _publish(
        self, items: Iterator[FeedItem], signer: Signer, stranger: Signer, rate: float | None
    ) -> PublishReport:
        report = await publish(
            items,
            kafka=required_kafka(self._settings),
            source=SOURCE,
            signer=signer,
            unknown_signer=stranger,
            rate=rate,
        )
        self._published += report.messages
        return report

    async def _backlog(self, workers: Sequence[Watched], messages: int) -> Throughput:
        """Every worker has its partitions now: the clock runs from here to the last commit."""
        since = dt.datetime.now(dt.UTC)
        async with self._database.session() as connection:
            before = await progress.consumed(connection, self._settings.group)
        await self._consumed_all(workers)
        async with self._database.session() as connection:
            until = await progress.last_commit_at(connection, since)
        seconds = (until - since).total_seconds() if until else 0.0
        return Throughput(messages - before, seconds)

    async def _paced(
        self, workers: Sequence[Watched], items: Iterator[FeedItem], signer: Signer, stranger: Signer
    ) -> PacedPhase:
        since = dt.datetime.now(dt.UTC)
        report = await self._publish(items, signer, stranger, self._options.rate)
        await self._consumed_all(workers)
        async with self._database.session() as connection:
            latency = await progress.latency_since(connection, since)
        return PacedPhase(report.messages, self._options.rate, latency)

    async def _consumed_all(self, workers: Sequence[Watched]) -> None:
        async def left() -> int:
            async with self._database.session() as connection:
                return self._published - await progress.consumed(connection, self._settings.group)

        await self._until_zero(workers, left)

    async def _settled(self, workers: Sequence[Watched]) -> None:
        """Wait until every commit has its place, a checkpoint covers it, and the relay has published it."""

        async def left() -> int:
            async with self._database.session() as connection:
                return (
                    await progress.unsequenced_commits(connection)
                    + await progress.uncheckpointed_logs(connection)
                    + await relay_lag(connection)
                )

        await self._until_zero(workers, left)

    async def _lanes_empty(self, workers: Sequence[Watched]) -> None:
        """Wait until nothing waits in a lane."""

        async def left() -> int:
            async with self._database.session() as connection:
                return (await deferred_counts(connection)).accepted

        await self._until_zero(workers, left)

    async def _until_zero(self, workers: Sequence[Watched], left: Callable[[], Awaitable[int]]) -> None:
        ended = asyncio.create_task(wait_for_end(workers))
        best, moved_at = None, time.monotonic()
        try:
            while remaining := await left():
                if ended.done():
                    ended.result()
                if best is None or remaining < best:
                    best, moved_at = remaining, time.monotonic()
                elif time.monotonic() - moved_at > STALL_LIMIT:
                    logs = workers[0].log.parent
                    raise Stalled(f"{remaining} left and nothing moved for {STALL_LIMIT:g} s; see {logs}")
                await asyncio.sleep(POLL_SECONDS)
        finally:
            ended.cancel()

    async def _show_one(self) -> Shown | None:
        """One record at tier 1 and at tier 5, each look logged."""
        views: list[RecordView] = []
        for tier in (1, 5):
            identity = open_identity(self._settings)
            knowledge = await load_knowledge(self._database, identity, max_tier=tier)
            reader = Reader(self._database, identity, knowledge, identity.new_worker(), tier=tier)
            found = await reader.show(views[0].stored.record_id) if views else await reader.list(limit=1)
            if not found:
                return None
            views.append(found[0])
        return Shown(views[0].stored.record_id, views[0], views[1])
