"""A database restored to an earlier moment is refused, recovered from the audit topics, and goes on to the same end."""

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from agents.inference.engine import Engine
from agents.log.publication_check import BehindPublication
from agents.log.tree import load_edge
from agents.recovering.log_recovery import AnotherHistory
from agents.relay.relay import Parts, Relay, RelayWork
from deploy.kafka import KafkaCluster
from deploy.kafka.installation import KafkaInstallation
from sealstream.audit.recovery import RecoveredLog, WorkersRunning, recover
from sealstream.running.checkup import check_up
from sealstream.settings import Settings
from sealstream.wiring import (
    create_all_topics,
    notice_topics,
    open_relay_publication,
    published_positions,
)
from security.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from streams.audit_topic import LeavesGone
from streams.embedded import DataDirectory, EmbeddedPostgres
from streams.storage import recovering
from streams.storage.database import Database
from streams.storage.migrate import migrate
from streams.storage.sequencing import list_logs
from streams.storage.watermarks import read_positions
from tests.support.databases import Databases
from tests.support.forked_command import forked_command
from tests.support.installation import BANK_A, BANK_B, CLUSTER, GROUP, Installation, Worker, installed
from tests.support.kafka_topics import read_topic
from tests.support.messages import Inbox, entry, statement, transaction
from tests.support.processes import sealstream

TENANTS = ("bank-a", "bank-b", "platform")


@pytest.fixture(scope="module")
async def kafka(
    kafka_installation: KafkaInstallation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[KafkaCluster]:
    async with KafkaCluster(tmp_path_factory.mktemp("kafka") / "recovery", installation=kafka_installation) as cluster:
        yield cluster


@dataclass
class World:
    """A platform whose database can be taken back to an earlier moment, and topics that can't.

    Attributes:
        name: Of its database.
    """

    databases: Databases
    name: str
    directory: Path
    keyring: Path
    engine: Engine
    kafka: KafkaCluster
    prefix: str
    inboxes: list[Inbox] = field(default_factory=list)
    backup: str = ""

    @property
    def dsn(self) -> str:
        return self.databases.dsn(self.name)

    @asynccontextmanager
    async def up(self) -> AsyncIterator[Installation]:
        """The platform is open; nothing is connected to the database otherwise."""
        async with installed(self.dsn, self.keyring, engine=self.engine) as platform:
            await create_all_topics(self.settings(platform), list(TENANTS))
            yield platform

    def settings(self, platform: Installation) -> Settings:
        return platform.settings.model_copy(
            update={"kafka_bootstrap": self.kafka.bootstrap_servers, "positions_topic": f"{self.prefix}-positions"}
        )

    def environment(self, platform: Installation) -> dict[str, str]:
        settings = self.settings(platform)
        return {
            "SEALSTREAM_DATABASE_URL": platform.dsn,
            "SEALSTREAM_KEYRING_DIR": str(self.keyring),
            "SEALSTREAM_KAFKA_BOOTSTRAP": self.kafka.bootstrap_servers,
            "SEALSTREAM_POSITIONS_TOPIC": settings.positions_topic,
        }

    async def copy(self) -> None:
        """Keep the database as it is: the server copies its files."""
        self.backup = await self.databases.create(self.name)

    async def restore(self) -> None:
        """Put what was kept in its place."""
        await self.databases.replace(self.name, self.backup)

    def feed(self, partition: int) -> Inbox:
        """Messages of a partition: results, a statement with a bad entry, duplicates, rejections of every sort."""
        inbox = Inbox(partition=partition)
        BANK_A.put(inbox, *(transaction(f"p{partition}-{n}") for n in range(6)))
        BANK_A.put(inbox, transaction(f"p{partition}-0"), transaction(f"p{partition}-0"))  # twice more
        BANK_A.put(inbox, transaction(f"p{partition}-1", amount="7.00"))  # contradicts
        BANK_A.put(inbox, statement(f"s{partition}", [entry(f"R{partition}"), entry("x", stated="1,0")]))
        BANK_B.put(inbox, transaction(f"b{partition}"), transaction(f"x{partition}", amount="-1"))
        BANK_B.put(inbox, transaction("shared"))
        inbox.put_raw([], b"")
        self.inboxes.append(inbox)
        return inbox

    async def process(self, platform: Installation, worker: Worker | None = None) -> None:
        """Everything that the stored watermarks say is not processed yet, a commit of 5 messages each."""
        worker = worker or await platform.worker()
        async with platform.database.session() as connection:
            places = [(inbox.topic, inbox.partition) for inbox in self.inboxes]
            stored = await read_positions(connection, GROUP, CLUSTER, places)
        for inbox in self.inboxes:
            position = stored.get((inbox.topic, inbox.partition))
            start = position.offset if position is not None else 0
            while start < len(inbox.records):
                end = min(start + 5, len(inbox.records))
                assert await worker.commit(inbox.batch(start, end, first_ever=start == 0))
                start = end

    async def relay(self, platform: Installation) -> None:
        async with (
            open_relay_publication(self.settings(platform)) as publication,
            platform.database.session() as connection,
        ):
            parts = Parts(notice_topics, lambda log: platform.identity.notice_signer(log.tenant, log.shard))
            work = await RelayWork.take_over(connection, publication, parts)
            while await work.step(connection):
                pass

    async def published(self, tenant: str) -> list[dict[str, Any]]:
        topic = await read_topic(self.kafka.bootstrap_servers, notice_topics(tenant).audit)
        return [msgspec.json.decode(value) for _, value, _ in topic]

    async def counted(self) -> Counter[tuple[str, ...]]:
        """What a subscriber counts: every record once, at its first leaf."""
        found: Counter[tuple[str, ...]] = Counter()
        for tenant in TENANTS:
            for leaf in await self.published(tenant):
                if leaf["kind"] in ("accepted", "result", "rejected", "duplicate") and "first" not in leaf:
                    name = leaf.get("record") or leaf["message"]
                    found[tenant, name, leaf["kind"], leaf["outcome"], leaf.get("reason", "")] += 1
        return found


async def stored(platform: Installation) -> Counter[tuple[str, ...]]:
    """The rows of results and dead letters."""
    rows = await platform.rows(
        "SELECT tenant, record_id::text, outcome FROM results UNION ALL "
        "SELECT tenant, dead_letter_id::text, reason FROM dead_letters"
    )
    return Counter(tuple(row.values()) for row in rows)


async def newest_note(platform: Installation, tenant: str) -> str:
    return str(
        await platform.one(
            "SELECT note FROM checkpoints JOIN logs USING (log_id) WHERE tenant = $1 ORDER BY size DESC LIMIT 1", tenant
        )
    )


async def extends(platform: Installation, note: str, tenant: str) -> bool:
    """Whether the log, as stored now, has the tree that a checkpoint signed."""
    async with platform.database.session() as connection:
        (row,) = [row for row in await list_logs(connection) if row.tenant == tenant]
        signed = verify_checkpoint(note.encode(), row.origin, [platform.identity.log_signer(tenant).verifier])
        return (await load_edge(connection, row, signed.size)).root() == signed.root


@pytest.fixture
async def world(kafka: KafkaCluster, databases: Databases, engine: Engine, tmp_path: Path) -> AsyncIterator[World]:
    name = await databases.create()
    made = World(databases, name, tmp_path, tmp_path / "keys", engine, kafka, name)
    yield made
    # The topics are named by tenant, so they are emptied for the next test.
    await forget_topics(kafka)
    for each in filter(None, (name, made.backup)):
        await databases.drop(each)


async def forget_topics(kafka: KafkaCluster) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        names = [name for name in await admin.list_topics() if not name.startswith("__")]
        await admin.delete_topics(names)
        async with asyncio.timeout(60):
            while any(not name.startswith("__") for name in await admin.list_topics()):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    finally:
        await admin.close()


@dataclass
class Lost:
    """What was there before the database was taken back."""

    counted: Counter[tuple[str, ...]]
    stored: Counter[tuple[str, ...]]
    notes: dict[str, str]


async def work_and_lose(world: World) -> Lost:
    """Work, copy the database, go on working and publishing, and put the copy back."""
    async with world.up() as platform:
        world.feed(0)
        await world.process(platform)
        await platform.sequence()
        await world.relay(platform)
        world.feed(1)
        await world.process(platform)  # committed, without places when the copy is made
    await world.copy()
    async with world.up() as platform:
        await platform.sequence()
        for partition in (2, 3):
            world.feed(partition)
            await world.process(platform)
            await platform.sequence()
        await (await platform.reader(3)).list(limit=3)
        await platform.sequence()
        await world.relay(platform)
        report = await platform.audit()
        assert report.ok, [str(finding) for finding in report.findings]
        lost = Lost(
            await world.counted(),
            await stored(platform),
            {tenant: await newest_note(platform, tenant) for tenant in TENANTS},
        )
    await world.restore()
    return lost


async def is_refused(world: World, platform: Installation) -> None:
    """No role goes on."""
    settings = world.settings(platform)
    with pytest.raises(BehindPublication, match=r"are published.*sealstream audit recover"):
        await platform.sequencer(published=lambda: published_positions(settings)).run()
    with pytest.raises(BehindPublication):
        await Relay(
            platform.database,
            lambda: open_relay_publication(settings),
            notice_topics,
            lambda log: platform.identity.notice_signer(log.tenant, log.shard),
        ).run()
    ended = await asyncio.to_thread(
        forked_command, "worker", "--role", "intake", settings=world.environment(platform), directory=world.directory
    )
    assert ended.returncode == 1
    assert "sealstream audit recover" in ended.stderr


async def test_a_restored_database_is_refused_then_recovered_and_ends_as_if_nothing_had_been_lost(
    world: World,
) -> None:
    lost = await work_and_lose(world)
    async with world.up() as platform:
        await is_refused(world, platform)
        # Somebody looks before the recovery: his leaf takes a commit's number that a lost one had.
        await (await platform.reader(3)).list(limit=3)
        before = await platform.one("SELECT count(*) FROM placements")
        ended = await asyncio.to_thread(
            sealstream, "audit", "recover", "--json", settings=world.environment(platform), directory=world.directory
        )
        assert ended.returncode == 0, ended.stderr
        done = {each["log"]: each["recovered"] for each in map(msgspec.json.decode, ended.stdout.splitlines())}
        assert done[platform.identity.origin("bank-a")] > 20
        assert await platform.one("SELECT count(*) FROM placements") > before
        await platform.sequence()
        report = await platform.audit()
        assert report.ok, [str(finding) for finding in report.findings]
        assert {log.tenant: len(log.recoveries) for log in report.logs} == dict.fromkeys(TENANTS, 1)
        for tenant, note in lost.notes.items():
            assert await extends(platform, note, tenant)

        await world.process(platform)
        await platform.sequence()
        await world.relay(platform)
        assert await world.counted() == lost.counted
        assert await stored(platform) == lost.stored
        assert await platform.one("SELECT count(*) FROM recovered_leaves") == 0
        report = await platform.audit()
        assert report.ok, [str(finding) for finding in report.findings]
        (ours,) = [log for log in report.logs if log.tenant == "bank-a"]
        (found,) = ours.recoveries
        kinds = Counter(leaf["kind"] for leaf in (await world.published("bank-a"))[found.start : found.end])
        assert 0 < found.again <= found.end - found.start
        assert kinds["result"] > 0
        assert [each.recovered for each in await recover(world.settings(platform))] == [0, 0, 0]


async def test_a_recovery_that_was_interrupted_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = await work_and_lose(world)
    monkeypatch.setattr("agents.recovering.log_recovery.LEAVES_PER_STEP", 3)
    async with world.up() as platform:
        steps = 0

        async def write(connection: Any, step: Any) -> None:
            nonlocal steps
            steps += 1
            if steps == 3:
                raise Interrupted
            await written(connection, step)

        written = recovering.write_step
        monkeypatch.setattr(recovering, "write_step", write)
        with suppress(Interrupted):
            await recover(world.settings(platform))
        assert steps == 3
        await is_refused(world, platform)
        monkeypatch.setattr(recovering, "write_step", written)
        await recover(world.settings(platform))
        await platform.sequence()
        report = await platform.audit()
        assert report.ok, [str(finding) for finding in report.findings]
        await world.process(platform)
        await platform.sequence()
        await world.relay(platform)
        assert await world.counted() == lost.counted
        assert await stored(platform) == lost.stored


class Interrupted(Exception):
    """The recovery ended here."""


async def test_nothing_is_written_that_does_not_lead_to_what_was_signed(world: World) -> None:
    await work_and_lose(world)
    async with world.up() as platform:
        settings = world.settings(platform)
        origin = platform.identity.origin("bank-a")
        size = (await published_positions(settings))[origin].position
        signer = platform.identity.log_signer("bank-a")
        before = await platform.one("SELECT count(*) FROM commits")
        for claimed in (size, size + 1, 3):
            note = sign_checkpoint(Checkpoint(origin, claimed, b"r" * 32), [signer]).decode()
            with pytest.raises(AnotherHistory, match=origin):
                await recover(settings, [note])
        assert await platform.one("SELECT count(*) FROM commits") == before
        await is_refused(world, platform)


async def test_leaves_that_the_topic_does_not_hold_are_named(world: World) -> None:
    await work_and_lose(world)
    admin = AIOKafkaAdminClient(bootstrap_servers=world.kafka.bootstrap_servers)
    await admin.start()
    try:
        topic = notice_topics("bank-a").audit
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(-1)})
    finally:
        await admin.close()
    async with world.up() as platform:
        with pytest.raises(LeavesGone, match=r"audit\.bank-a does not hold leaf"):
            await recover(world.settings(platform))


async def test_workers_must_be_stopped_first(world: World) -> None:
    async with world.up() as platform, AsyncExitStack() as stack:
        running = await stack.enter_async_context(Database(platform.dsn, name="sealstream worker"))
        await stack.enter_async_context(running.session())
        with pytest.raises(WorkersRunning, match="stop all workers"):
            await recover(world.settings(platform))


async def test_a_database_that_lacks_nothing_is_left_alone(world: World) -> None:
    async with world.up() as platform:
        world.feed(0)
        await world.process(platform)
        await platform.sequence()
        await world.relay(platform)
        done: list[RecoveredLog] = await recover(world.settings(platform))
        assert [each.recovered for each in done] == [0, 0, 0]
        assert await platform.one("SELECT count(*) FROM recoveries") == 0


async def test_the_doctor_says_what_subscribers_and_backups_may_rely_on(world: World) -> None:
    async with AsyncExitStack() as stack:
        # The session's server is told to lose commits, and the doctor would say so.
        directory = stack.enter_context(DataDirectory())
        server = await stack.enter_async_context(EmbeddedPostgres(directory / "postgres", temporary=True))
        await migrate(server.dsn)
        platform = await stack.enter_async_context(installed(server.dsn, world.keyring, engine=world.engine))
        settings = world.settings(platform)
        await create_all_topics(settings, list(TENANTS))
        said = {check.name: check for check in await check_up(settings)}
        assert "exactly once" in said["notices"].what
        assert said["retention"].ok
        assert "keep more than 3 days" in said["retention"].what
        assert "no synchronous standby" in said["durability"].what
        longer = settings.model_copy(update={"backup_window": dt.timedelta(days=30)})
        faults = [check for check in await check_up(longer) if not check.ok]
        assert {"retention transactions", "retention audit.bank-a"} <= {check.name for check in faults}
        assert all("must be longer than the backup window" in check.what for check in faults)
