"""The relay on real Kafka: whatever dies when, a subscriber that reads committed messages sees every leaf once."""

import asyncio
import os
import signal
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest

from agents.relay.notices import NoticeTopics
from agents.relay.relay import Relay
from deploy.kafka import KafkaBroker, KafkaCluster
from schemas.errors import Unavailable
from security.merkle import leaf_hash
from streams.kafka import KafkaAccess
from streams.positions import read_positions
from streams.publication import open_publication
from streams.storage import relaying
from tests.support.installation import BANK_A, BANK_B, Installation, Worker
from tests.support.kafka_topics import Published, RelayNames, read_topic
from tests.support.messages import Inbox, transaction
from tests.support.owner_process import FENCED, UNAVAILABLE, Plan, is_stopped, owner_process
from tests.support.processes import until

TENANTS = ("bank-a", "bank-b", "platform")
PATIENCE = 180.0


class Stage:
    """One platform's leaves and the topics they go to."""

    def __init__(self, platform: Installation, worker: Worker, kafka: KafkaBroker) -> None:
        self.platform = platform
        self.worker = worker
        self.kafka = kafka
        self.names = RelayNames(f"r{uuid.uuid4().hex[:8]}")
        self._partition = 0

    def plan(self, **more: object) -> Plan:
        return Plan(
            role="relay",
            dsn=self.platform.dsn,
            bootstrap=self.kafka.bootstrap_servers,
            prefix=self.names.prefix,
            keyring=str(self.platform.keyring_dir),
            **more,  # type: ignore[arg-type]
        )

    async def work(self, records: int = 20) -> None:
        """Results, rejections and duplicates of two banks."""
        self._partition += 1
        inbox = Inbox(partition=self._partition)
        for n in range(records):
            BANK_A.put(inbox, transaction(f"a{self._partition}-{n}"))
        BANK_A.put(inbox, transaction(f"a{self._partition}-0"), transaction(f"x{self._partition}", amount="-1"))
        BANK_B.put(inbox, transaction(f"b{self._partition}"))
        inbox.put_raw([], b"")
        await self.worker.commit(inbox.take())
        await self.platform.sequence()

    async def published_all(self) -> None:
        async with asyncio.timeout(PATIENCE), self.platform.database.session() as connection:
            while await relaying.relay_lag(connection):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def check(self) -> None:
        """Every leaf stands once in its log's audit topic, in order, and all chains hold."""
        for tenant in TENANTS:
            origin = self.platform.identity.origin(tenant)
            results, audit, dead_letters = [
                await read_topic(self.kafka.bootstrap_servers, name) for name in self.names.topics(tenant)
            ]
            leaves = await self._leaves(tenant)
            assert [value for _, value, _ in audit] == leaves
            assert indexes(audit) == list(range(len(leaves)))
            kinds = Counter(kind(each) for each in audit)
            assert len(results) == kinds["result"] + kinds["duplicate"]
            assert len(dead_letters) == kinds["rejected"]
            for notices in (results, audit, dead_letters):
                places = indexes(notices)
                assert [header(each, "ce_sealprev") for each in notices] == [None, *map(str, places)][: len(places)]
            at = await self._position(origin, len(leaves))
            assert (at.position, at.last_hash) == (len(leaves), leaf_hash(leaves[-1]))

    async def _position(self, origin: str, expected: int) -> relaying.RelayPosition:
        """A log's position: the broker writes a transaction's markers after it has confirmed its end."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await read_positions(KafkaAccess(self.kafka.bootstrap_servers), self.names.positions, "")
                if (at := found.logs[origin]).position >= expected:
                    return at
                await asyncio.sleep(0.05)

    async def _leaves(self, tenant: str) -> list[bytes]:
        rows = await self.platform.rows(
            "SELECT b.ends, b.body FROM placements p JOIN bundles b USING (log_id, commit_id) "
            "JOIN logs l USING (log_id) WHERE l.tenant = $1 ORDER BY p.first_index",
            tenant,
        )
        return [
            row["body"][start:end]
            for row in rows
            for start, end in zip([0, *row["ends"][:-1]], row["ends"], strict=True)
        ]


def header(published: Published, name: str) -> str | None:
    found = [value.decode() for each, value in published[2] if each == name]
    return found[0] if found else None


def indexes(published: Sequence[Published]) -> list[int]:
    return [int(header(each, "ce_sealindex") or "") for each in published]


def kind(published: Published) -> str:
    return (header(published, "ce_type") or "").split(".")[2]


@pytest.fixture
async def stage(platform: Installation, worker: Worker, kafka_broker: KafkaBroker) -> Stage:
    made = Stage(platform, worker, kafka_broker)
    await made.names.create(kafka_broker.bootstrap_servers, *TENANTS)
    return made


POINTS = {
    "before-anything-is-sent": {"end_at": "read"},
    "in-an-empty-transaction": {"end_at": "begun"},
    "while-sending-begins": {"end_at": "sending"},
    "in-the-middle-of-sending": {"end_at": "sending", "late": 0.005},
    "before-the-commit": {"end_at": "sent"},
    "during-the-commit": {"end_at": "sent", "late": 0.002},
    "later-during-the-commit": {"end_at": "sent", "late": 0.006},
    "after-the-commit": {"end_at": "committed"},
}


@pytest.mark.parametrize("point", [pytest.param(point, id=name) for name, point in POINTS.items()])
async def test_a_relay_killed_at_any_point_is_followed_without_a_gap_or_a_repeat(
    stage: Stage, point: dict[str, object]
) -> None:
    await stage.work()
    with owner_process(stage.plan(**point, time=2)) as first:
        await stage.published_all()
        await stage.work()
        assert await asyncio.to_thread(first.wait, PATIENCE) == -signal.SIGKILL
    await stage.work()
    with owner_process(stage.plan()) as second:
        await stage.published_all()
        await stage.check()
        await stage.work()
        await stage.published_all()
        assert second.poll() is None
    await stage.check()


async def test_a_stopped_relay_is_followed_within_seconds_and_ends_when_it_is_continued(stage: Stage) -> None:
    await stage.work()
    with owner_process(stage.plan()) as first:
        await stage.published_all()
        os.kill(first.pid, signal.SIGSTOP)
        await stage.work()
        with owner_process(stage.plan()) as second:
            await stage.published_all()
            await stage.work()
            await stage.published_all()
            os.kill(first.pid, signal.SIGCONT)
            # The session is gone and so is the producer's epoch; it notices one or the other first.
            assert await asyncio.to_thread(first.wait, PATIENCE) in (UNAVAILABLE, FENCED)
            await stage.work()
            await stage.published_all()
            assert second.poll() is None
    await stage.check()


async def test_a_relay_stopped_within_a_transaction_can_not_finish_it_later(stage: Stage) -> None:
    await stage.work()
    with owner_process(stage.plan(end_at="sent", time=2, signal=signal.SIGSTOP)) as first:
        await stage.published_all()
        await stage.work()
        await asyncio.to_thread(until, lambda: is_stopped(first))
        with owner_process(stage.plan()):
            await stage.published_all()
            os.kill(first.pid, signal.SIGCONT)
            assert await asyncio.to_thread(first.wait, PATIENCE) in (UNAVAILABLE, FENCED)
            await stage.work()
            await stage.published_all()
    await stage.check()


async def test_two_relays_at_once_share_the_work_one_after_the_other(stage: Stage) -> None:
    await stage.work()
    with owner_process(stage.plan()) as first, owner_process(stage.plan()) as second:
        await stage.published_all()
        for process in (first, second):
            await stage.work()
            await stage.published_all()
            assert process.poll() is None
        for _ in range(3):
            await stage.work()
        first.kill()
        await stage.published_all()
        assert second.poll() is None
    await stage.check()


@pytest.fixture
async def own_broker(
    kafka_installation: object, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[KafkaCluster]:
    async with KafkaCluster(tmp_path_factory.mktemp("kafka") / "relay") as cluster:
        yield cluster


async def test_a_broker_killed_and_started_again_has_every_notice_once(
    platform: Installation, worker: Worker, own_broker: KafkaCluster
) -> None:
    stage = Stage(platform, worker, own_broker)
    await stage.names.create(own_broker.bootstrap_servers, *TENANTS)

    async def relay_for_ever() -> None:
        relay = Relay(
            platform.database,
            lambda: open_publication(KafkaAccess(own_broker.bootstrap_servers), "r", stage.names.positions, ""),
            lambda tenant: NoticeTopics(*stage.names.topics(tenant)),
            lambda log: platform.identity.notice_signer(log.tenant, log.shard),
        )
        while True:
            try:
                await relay.run()
            except Unavailable:
                await asyncio.sleep(0.2)

    relaying_ = asyncio.create_task(relay_for_ever())
    try:
        await stage.work()
        await stage.published_all()
        for _ in range(2):
            await stage.work()
            await own_broker.node(1).kill()
            await stage.work()
            await own_broker.node(1).start()
            await stage.published_all()
    finally:
        relaying_.cancel()
        await asyncio.gather(relaying_, return_exceptions=True)
    await stage.check()
