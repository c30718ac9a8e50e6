import asyncio
import sys
import uuid
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.kafka import KafkaBroker, KafkaCluster, KafkaMissing, find_installation
from deploy.kafka.installation import KafkaInstallation
from deploy.kafka.node import new_id
from streams.embedded.process import ServerExited
from tests.support.processes import ROOT, descendants, environment, until


async def read_all(bootstrap_servers: str, topic: str) -> list[tuple[int, bytes | None]]:
    """The committed records of partition 0, with their offsets."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, isolation_level="read_committed")
    await consumer.start()
    try:
        place = TopicPartition(topic, 0)
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        end = (await consumer.end_offsets([place]))[place]
        found: list[tuple[int, bytes | None]] = []
        while await consumer.position(place) < end:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [(record.offset, record.value) for record in records]
        return found
    finally:
        await consumer.stop()


async def test_transactions_are_seen_when_they_are_committed_and_only_then(kafka_broker: KafkaBroker) -> None:
    await kafka_broker.create_topic("transactional")
    async with AIOKafkaProducer(
        bootstrap_servers=kafka_broker.bootstrap_servers, transactional_id="a-writer"
    ) as producer:
        async with producer.transaction():
            for value in (b"1", b"2"):
                await producer.send_and_wait("transactional", value)
        await producer.begin_transaction()
        await producer.send_and_wait("transactional", b"never")
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait("transactional", b"3")

    # Offset 2 is the first commit's marker, 3 and 4 are the aborted record and its marker.
    assert await read_all(kafka_broker.bootstrap_servers, "transactional") == [(0, b"1"), (1, b"2"), (5, b"3")]


async def test_production_goes_on_without_the_leader_and_its_return_loses_nothing(kafka_cluster: KafkaCluster) -> None:
    await kafka_cluster.create_topic("survivor")
    leader = await kafka_cluster.leader("survivor")
    async with AIOKafkaProducer(
        bootstrap_servers=kafka_cluster.bootstrap_servers, acks="all", enable_idempotence=True
    ) as producer:
        for number in range(10):
            await producer.send_and_wait("survivor", b"before %d" % number)
        await leader.kill()
        for number in range(10):
            await producer.send_and_wait("survivor", b"after %d" % number)

    assert await kafka_cluster.leader("survivor") != leader
    await leader.start()
    found = await read_all(kafka_cluster.bootstrap_servers, "survivor")
    assert [value for _, value in found] == [b"%s %d" % (when, n) for when in (b"before", b"after") for n in range(10)]


async def test_three_nodes_ask_for_two_copies_of_each_record(kafka_cluster: KafkaCluster) -> None:
    await kafka_cluster.create_topic("copies")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_cluster.bootstrap_servers)
    await admin.start()
    try:
        (described,) = await admin.describe_topics(["copies"])
        (answer,) = await admin.describe_configs(
            [ConfigResource(ConfigResourceType.TOPIC, "copies", {"min.insync.replicas": ""})]
        )
    finally:
        await admin.close()

    assert len(described["partitions"][0]["replicas"]) == 3
    assert [(name, value) for name, value, *_ in answer.resources[0][4]] == [("min.insync.replicas", "2")]


async def test_a_node_keeps_its_place_and_its_data_over_a_restart(
    kafka_installation: KafkaInstallation, tmp_path: Path
) -> None:
    async with KafkaCluster(tmp_path / "kafka", properties={"log.message.timestamp.type": "LogAppendTime"}) as cluster:
        await cluster.create_topic("kept", cleanup_policy="compact")
        address, node = cluster.bootstrap_servers, cluster.node(1)
        for end in (node.stop, node.kill):
            async with AIOKafkaProducer(bootstrap_servers=address) as producer:
                sent = await producer.send_and_wait("kept", b"value", key=b"key", timestamp_ms=1)
            assert (sent.timestamp_type, sent.timestamp > 1) == (1, True)
            await end()
            await node.start()

        assert cluster.bootstrap_servers == address
        assert [offset for offset, _ in await read_all(address, "kept")] == [0, 1]


def test_an_id_is_never_taken_for_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = [uuid.UUID(int=0xF8 << 120), uuid.UUID(int=1)]
    monkeypatch.setattr(uuid, "uuid4", lambda: fresh.pop(0))

    assert new_id() == "AAAAAAAAAAAAAAAAAAAAAQ"


async def test_a_server_that_refuses_its_configuration_shows_the_end_of_its_log(
    kafka_installation: KafkaInstallation, tmp_path: Path
) -> None:
    with pytest.raises(ServerExited, match=r"log\.retention\.ms"):
        async with KafkaCluster(tmp_path / "kafka", properties={"log.retention.ms": "soon"}):
            pass


async def test_no_server_outlives_a_killed_owner(kafka_installation: KafkaInstallation, tmp_path: Path) -> None:
    owner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.kafka"),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=environment({"TMPDIR": str(tmp_path)}),
    )
    assert owner.stdout is not None
    assert (await owner.stdout.readline()).startswith(b"SEALSTREAM_KAFKA_BOOTSTRAP=127.0.0.1:")
    servers = descendants(owner.pid)
    assert servers

    owner.kill()
    await owner.wait()
    await asyncio.to_thread(until, lambda: not any(Path(f"/proc/{pid}").exists() for pid, _ in servers))


def test_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    find_installation.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    try:
        with pytest.raises(KafkaMissing, match="needs Java 17"):
            find_installation()
    finally:
        find_installation.cache_clear()
