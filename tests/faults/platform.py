"""A whole platform to be hurt: workers as processes, a database and brokers that can be ended, a feed of known content.

    async with faulty_platform(directory, kafka, databases) as platform:
        feeding = await platform.feed(messages, rate)
        ...hurt something...
        await feeding
        await platform.settled()
        await platform.verify()

`verify` compares with what a single, undisturbed pass over the same topic makes. The tests and `bench.soak` use it.
"""

import asyncio
import datetime as dt
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from pydantic import SecretStr

from agents.audit import Depth
from deploy.kafka import KafkaCluster
from schemas.errors import SealstreamError
from sealstream.audit.auditing import audit
from sealstream.feeds import FeedItem
from sealstream.producing.publish import publish
from sealstream.running.kept_worker import KeptWorker, Launch
from sealstream.running.supervisor import kept_worker
from sealstream.samples.feed import SampleFeed
from sealstream.samples.plan import PAYMENTS, SMALL, SamplePlan
from sealstream.settings import Settings, load_settings
from sealstream.wiring import create_all_topics, prepare_database
from streams.kafka import KafkaAccess
from streams.storage import progress
from streams.storage.relaying import relay_lag
from streams.storage.watermarks import read_positions
from tests.faults.faulty_worker import install
from tests.faults.points import Deed, Faults, Point
from tests.faults.postgres import BreakablePostgres
from tests.faults.undisturbed import TOPIC, Fact, Facts, Undisturbed
from tests.support.databases import Databases
from tests.support.forked_programs import forked
from tests.support.installation import BANK_A, BANK_B, installed
from tests.support.tampering import STRANGER

PARTITIONS: Final = 4
PATIENCE: Final = 90.0  # only ever used up by a failing test
POLL: Final = 0.1
SLOW_POLL: Final = 0.3  # of several questions, some of which look at every row
PRODUCER: Final = {"enable_idempotence": True, "request_timeout_ms": 60_000}


class FaultyPlatform:
    """Settings, processes and servers of one platform.

    Attributes:
        workers: The worker processes, by name; an ended one stays.
        fed: Messages published so far.
        whole: Whether nothing was done to it since it was last verified.
    """

    def __init__(
        self,
        settings: Settings,
        postgres: BreakablePostgres,
        kafka: KafkaCluster,
        undisturbed: Undisturbed,
        faults: Faults,
        directory: Path,
        roles: Mapping[str, Sequence[str]],
    ) -> None:
        self.settings = settings
        self.postgres = postgres
        self.kafka = kafka
        self.faults = faults
        self.workers: dict[str, KeptWorker] = {}
        self.fed = 0
        self.whole = True
        self._undisturbed = undisturbed
        self._placed = Facts()
        self._directory = directory
        self._roles = roles
        self._feeds = itertools.count(1)
        self._keeping: dict[str, asyncio.Task[None]] = {}
        self._looking: asyncpg.Connection[asyncpg.Record] | None = None

    async def start_workers(self) -> None:
        """Start those that every test finds."""
        await asyncio.gather(*(self.start_worker(name, *roles) for name, roles in self._roles.items()))

    async def start_worker(
        self, name: str, *roles: str, faults: Faults | None = None, launch: Launch | None = None
    ) -> KeptWorker:
        """Start another worker process; it is started again when it ends.

        Args:
            faults: In place of those that all workers share.
            launch: Starts the process, which then knows of no faults.
        """
        launch = launch or forked(partial(install, (faults or self.faults).directory))
        worker = kept_worker(self.settings, self._directory, name, roles, launch)
        await worker.start()
        self.workers[name] = worker
        self._keeping[name] = asyncio.create_task(worker.keep())
        await worker.until_ready()
        return worker

    async def stop_worker(self, name: str) -> None:
        """End a worker in good order, for good."""
        worker = self.workers.pop(name)
        worker.tell_to_stop()
        await self._keeping.pop(name)
        await worker.stop()

    async def stop(self) -> None:
        """End all workers."""
        for each in self.workers.values():
            each.tell_to_stop()
        await asyncio.gather(*self._keeping.values())
        await asyncio.gather(*(each.stop() for each in self.workers.values()))
        if self._looking is not None:
            self._looking.terminate()

    def feed(self, messages: int, rate: float | None = None, key: bytes | None = None) -> "asyncio.Task[None]":
        """Publish so many messages beside whatever else happens; every fault of a sample is among them.

        Args:
            rate: Messages a second.
            key: Of all of them, to put them into one partition.
        """
        self.whole = False
        return asyncio.create_task(self._feed(next(self._feeds), messages, rate, key))

    async def _feed(self, number: int, messages: int, rate: float | None, key: bytes | None) -> None:
        items = (replace(item, key=key) for item in itertools.islice(_items(number, messages), messages))
        report = await publish(
            items,
            kafka=KafkaAccess(self.kafka.bootstrap_servers),
            source=BANK_A.source,
            signer=BANK_A.signer,
            unknown_signer=STRANGER,
            rate=rate,
            client_options=PRODUCER,
        )
        self.fed += report.messages

    async def until(
        self,
        condition: Callable[[], Awaitable[bool]],
        what: str,
        left: Mapping[str, object] | None = None,
        every: float = POLL,
    ) -> None:
        """Wait until something holds, through outages.

        Args:
            every: Seconds between looks.
            left: What still keeps it from holding, for the error.

        Raises:
            AssertionError: It does not; with the end of the workers' logs.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, SealstreamError):
                if await condition():
                    return
            assert time.monotonic() < deadline, f"waited in vain: {what}, {left}\n{self.last_words()}"
            await asyncio.sleep(every)

    async def committed(self) -> int:
        """Offsets that the platform has moved over."""
        async with self._look() as connection:
            return await progress.consumed(connection, self.settings.group)  # type: ignore[arg-type]

    async def until_committed(self, least: int) -> None:
        """Wait until so much is committed."""

        async def there() -> bool:
            return await self.committed() >= least

        await self.until(there, f"{least} committed")

    async def until_restarted(self, times: int) -> None:
        """Wait until workers have been started again so often, and serve."""

        async def there() -> bool:
            return self.restarts == times and all(each.ready for each in self.workers.values())

        await self.until(there, f"restart {times}")

    async def until_hit(self, point: Point, deed: Deed) -> int:
        """Wait until an armed fault has hit a process; returns which."""
        hit: list[int] = []

        async def there() -> bool:
            found = self.faults.hit(point, deed)
            hit.extend([found] if found else [])
            return bool(hit)

        await self.until(there, f"{deed} {point}")
        return hit[0]

    async def settled(self) -> None:
        """Wait until everything in the topic is committed, placed, under a checkpoint and published."""
        ends = await self.ends()
        left: dict[str, object] = {}

        async def all_done() -> bool:
            stored = await self.positions()
            async with self._look() as connection:
                left.update(
                    unread={place: (stored[place], end) for place, end in ends.items() if stored[place] != end},
                    unsequenced=await progress.unsequenced_commits(connection),  # type: ignore[arg-type]
                    uncheckpointed=await progress.uncheckpointed_logs(connection),  # type: ignore[arg-type]
                    unpublished=await relay_lag(connection),  # type: ignore[arg-type]
                )
            return not any(left.values())

        await self.until(all_done, f"the end of {TOPIC}", left, SLOW_POLL)

    async def positions(self) -> dict[tuple[str, int], int]:
        """The stored watermarks; 0 where there is none."""
        places = [(TOPIC, n) for n in range(PARTITIONS)]
        async with self._look() as connection:
            stored = await read_positions(connection, self.settings.group, self.kafka.cluster_id, places)  # type: ignore[arg-type]
        return {place: stored[place].offset if place in stored else 0 for place in places}

    @asynccontextmanager
    async def _look(self) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
        """The connection that looks, until it breaks: a new one costs more than what is asked."""
        if self._looking is None or self._looking.is_closed():
            self._looking = await asyncpg.connect(self.settings.dsn)
        try:
            yield self._looking
        except BaseException:
            self._looking.terminate()
            raise

    async def ends(self) -> dict[tuple[str, int], int]:
        """The ends of the topic's partitions."""
        async with self._consumer() as consumer:
            found = await consumer.end_offsets([TopicPartition(TOPIC, n) for n in range(PARTITIONS)])
        return {(place.topic, place.partition): end for place, end in found.items()}

    async def verify(self) -> None:
        """Compare what the log says with what an undisturbed pass over the same records says; the audit must be ok."""
        expected, seen = await self._undisturbed.facts(await self._records()), Facts()
        report = await audit(self.settings, observe=seen.observe)
        assert report.ok, [str(finding) for finding in report.findings]
        _compare(expected, seen.found)
        self.whole = True

    async def verify_leaves(self) -> None:
        """Verify without rows and labels, which only `verify` reads: at the cost of what is new, mostly."""
        expected = await self._undisturbed.placed_facts(await self._records())
        async with self._look() as connection:
            await self._placed.take_new(connection)  # type: ignore[arg-type]
        report = await audit(self.settings, depth=Depth.TREE)
        assert report.ok, [str(finding) for finding in report.findings]
        _compare(expected, self._placed.found)
        self.whole = True

    async def mend(self) -> None:
        """Start anew whatever a failed test may have left down, hurt or stuck."""
        self.faults.disarm()
        for node in self.kafka.nodes:
            if not node.running:
                await node.start()
        if not self.postgres.running:
            await self.postgres.stop()
            await self.postgres.start()
        for name in list(self.workers):
            await self.stop_worker(name)
        await self.start_workers()

    async def _records(self) -> dict[int, list[ConsumerRecord]]:
        found: dict[int, list[ConsumerRecord]] = {n: [] for n in range(PARTITIONS)}
        async with self._consumer() as consumer:
            places = [TopicPartition(TOPIC, n) for n in range(PARTITIONS)]
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            ends = await consumer.end_offsets(places)
            while any([await consumer.position(place) < end for place, end in ends.items()]):
                for place, records in (await consumer.getmany(timeout_ms=200)).items():
                    found[place.partition] += records
        return found

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka.bootstrap_servers, isolation_level="read_committed")
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()

    @property
    def restarts(self) -> int:
        """How often a worker had to be started again."""
        return sum(each.restarts for each in self.workers.values())

    def last_words(self) -> str:
        """The end of each worker's log, and of the one before its last start."""
        logs = [log for each in self.workers.values() for log in (each.log.with_name(f"{each.log.name}.1"), each.log)]
        return "\n".join(f"{log.name}: {log.read_text()[-3000:]}" for log in logs if log.exists())


def _compare(expected: Counter[Fact], found: Counter[Fact]) -> None:
    differences = {fact: (expected[fact], found[fact]) for fact in expected | found if expected[fact] != found[fact]}
    assert not differences, f"expected, found: {dict(itertools.islice(differences.items(), 5))}"
    doubled = [record for record, kind, *_ in found.elements() if kind == "result"]
    assert len(doubled) == len(set(doubled))


async def undisturbed_beside(
    stack: AsyncExitStack, databases: Databases, keyring_dir: Path, kafka: KafkaCluster, settings: Settings
) -> Undisturbed:
    """The pass that a platform on this cluster is compared with, over a database of its own."""
    other = await stack.enter_async_context(databases.fresh())
    installation = await stack.enter_async_context(installed(other, keyring_dir))
    return Undisturbed(installation, await installation.worker(cluster=kafka.cluster_id, group=settings.group))


@asynccontextmanager
async def faulty_platform(
    directory: Path,
    kafka: KafkaCluster,
    databases: Databases,
    keyring_dir: Path,
    *,
    workers: Sequence[str] = ("a", "b"),
    frame_records: int = 50,
    database: Callable[[Path], BreakablePostgres] = BreakablePostgres,
) -> AsyncIterator[FaultyPlatform]:
    """Start servers and workers: intake workers of these names, and one process that sequences and relays.

    Args:
        directory: Which the database's user can enter.
        databases: For the undisturbed pass.
        database: The server to hurt.
    """
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(database(directory / "postgres"))
        settings = load_settings(
            data_dir=directory,
            keyring_dir=keyring_dir,
            database_url=SecretStr(postgres.dsn),
            kafka_bootstrap=kafka.bootstrap_servers,
            topics_in=(TOPIC,),
            partitions=PARTITIONS,
            replication=len(kafka.nodes),
            session_timeout=dt.timedelta(seconds=2),
            database_patience=dt.timedelta(seconds=3),
            checkpoint_every=dt.timedelta(seconds=0.5),
            max_frame_records=frame_records,
            # Records are answered with at once; an answer without any costs brokers and workers.
            fetch_max_wait=dt.timedelta(seconds=0.2),
        )
        await prepare_database(settings)
        async with installed(postgres.dsn, keyring_dir):
            pass  # registers the producers and makes the platform's keys
        await create_all_topics(settings, ["platform", BANK_A.tenant, BANK_B.tenant])
        (directory / "workers").mkdir()
        faults = Faults(directory / "faults")
        undisturbed = await undisturbed_beside(stack, databases, keyring_dir, kafka, settings)
        roles = {**dict.fromkeys(workers, ("intake",)), "log": ("sequence", "relay")}
        platform = FaultyPlatform(settings, postgres, kafka, undisturbed, faults, directory / "workers", roles)
        stack.push_async_callback(platform.stop)
        await platform.start_workers()
        yield platform


def _items(number: int, messages: int) -> Iterator[FeedItem]:
    """Messages of a sample of that size, with ids of their own."""
    share = max(1, messages // SMALL.transactions)
    plan = SamplePlan(messages, 0, PAYMENTS.entries, dict.fromkeys(SMALL.faults, share), special_statements=False)
    for item in SampleFeed("faults", plan, seed=number, topic=TOPIC).items():
        yield replace(item, id=f"{number}-{item.id}")
