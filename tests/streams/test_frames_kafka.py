"""Frames from real Apache Kafka: what the embedded broker can do, once more, and what only Kafka has."""

import asyncio
import functools
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from faust.types import TP

from deploy.kafka import KafkaBroker, KafkaCluster
from deploy.kafka.installation import KafkaInstallation
from streams.app import running
from streams.frames import Frame
from streams.frames.batches import GuardedBatch
from tests.streams.batch_bytes import HOSTILE, batch, broken
from tests.streams.frame_cluster import (
    PATIENCE_SECONDS,
    Brokers,
    Cluster,
    MemoryStore,
    collect,
    frames_app,
    on_kafka,
    until,
)
from tests.streams.test_frames_probe import test_tells_bounds_topic_and_the_record_asked_for
from tests.streams.test_frames_reading import (
    test_a_paused_partition_delivers_nothing_until_it_is_resumed,
    test_a_sleeping_agent_holds_no_more_than_the_budget_and_one_fetch,
    test_frames_of_different_partitions_are_in_work_at_once_and_acks_may_come_in_any_order,
    test_reads_compressed_batches,
    test_what_comes_in_under_load_while_a_frame_is_in_work_is_one_frame_after_it,
)
from tests.streams.test_frames_rebalance import (
    KILLED_MEMBER,
    test_a_frame_in_work_is_finished_before_its_partition_goes_to_another_member,
    test_a_member_without_partitions_stays_ready_to_take_over,
    test_an_ack_after_the_revocation_no_longer_counts,
    test_one_of_two_members_stops_and_no_record_is_missed_or_doubled,
    test_the_partitions_of_a_killed_member_are_taken_over_from_the_store,
)

__all__ = [
    "test_a_frame_in_work_is_finished_before_its_partition_goes_to_another_member",
    "test_a_member_without_partitions_stays_ready_to_take_over",
    "test_a_paused_partition_delivers_nothing_until_it_is_resumed",
    "test_a_sleeping_agent_holds_no_more_than_the_budget_and_one_fetch",
    "test_an_ack_after_the_revocation_no_longer_counts",
    "test_frames_of_different_partitions_are_in_work_at_once_and_acks_may_come_in_any_order",
    "test_one_of_two_members_stops_and_no_record_is_missed_or_doubled",
    "test_reads_compressed_batches",
    "test_tells_bounds_topic_and_the_record_asked_for",
    "test_the_partitions_of_a_killed_member_are_taken_over_from_the_store",
    "test_what_comes_in_under_load_while_a_frame_is_in_work_is_one_frame_after_it",
]

TP0 = TP("t", 0)
MIB = 1 << 20


@pytest.fixture
def brokers(kafka_broker: KafkaBroker) -> Brokers:
    return functools.partial(on_kafka, kafka_broker)


async def read(ours: Cluster, directory: Path, end: int, **options: object) -> tuple[MemoryStore, list[Frame]]:
    """Read partition 0 up to a position."""
    store, frames = MemoryStore(), []

    async def work(frame: Frame) -> None:
        assert store.commit(frame)
        frames.append(frame)

    app = frames_app(ours, directory, store, **options)
    collect(app, "t", work=work)
    async with running(app):
        await until(lambda: store.watermarks[TP0] >= end)
    assert store.watermarks[TP0] == end
    assert [frame.first for frame in frames] == [0, *(frame.next for frame in frames[:-1])], "contiguous"
    return store, frames


async def ended(ours: Cluster, end: int) -> None:
    """Wait until partition 0 ends there: the broker writes a transaction's marker after it has confirmed its end."""
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        AIOKafkaConsumer(bootstrap_servers=ours.bootstrap_servers) as consumer,
    ):
        while (await consumer.end_offsets([TopicPartition(*TP0)]))[TopicPartition(*TP0)] < end:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_only_committed_records_are_read_and_markers_are_passed_over(brokers, tmp_path):
    async with brokers(tmp_path, t=1) as ours, AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(
                AIOKafkaProducer(bootstrap_servers=ours.bootstrap_servers, transactional_id=f"{tmp_path.name}-{name}")
            )
            for name in "ab"
        ]

        async def send(producer: AIOKafkaProducer, *values: bytes) -> None:
            for value in values:
                await producer.send_and_wait("t", value, partition=0)

        await first.begin_transaction()
        await send(first, b"0", b"1")
        await second.begin_transaction()
        await send(second, b"never")  # 2, among those of another transaction
        await send(first, b"3")
        await first.commit_transaction()  # 4
        await ended(ours, 5)
        await second.abort_transaction()  # 5
        await ended(ours, 6)
        await ours.produce("t", {0: [b"6"]})
        await second.begin_transaction()
        await send(second, b"never either")  # 7
        await second.abort_transaction()  # 8
        await ended(ours, 9)
        await first.begin_transaction()
        await send(first, b"9")
        await first.commit_transaction()  # 10
        await ended(ours, 11)
        await second.begin_transaction()
        await send(second, b"11")
        await ours.produce("t", {0: [b"12"]})  # not before the transaction is decided
        store, frames = await read(ours, tmp_path, 11)
        assert store.committed[TP0] == [(n, b"%d" % n) for n in (0, 1, 3, 6, 9)]
        assert frames[-1].records[-1].leader_epoch == 0
        await second.commit_transaction()  # 13
        store, _ = await read(ours, tmp_path, 14)
        assert store.committed[TP0][-2:] == [(11, b"11"), (12, b"12")]


async def test_tombstones_and_repeated_headers_come_as_they_were_sent(brokers, tmp_path):
    headers = [("h", b"1"), ("h", b"2"), ("n", None), ("h", b"1")]
    async with brokers(tmp_path, t=1) as ours:
        async with AIOKafkaProducer(bootstrap_servers=ours.bootstrap_servers) as producer:
            await producer.send_and_wait("t", None, key=b"k", partition=0)
            await producer.send_and_wait("t", b"", key=None, headers=headers, partition=0)
        _, frames = await read(ours, tmp_path, 2)
    records = [record for frame in frames for record in frame.records]
    assert [(r.key, r.value, list(r.headers)) for r in records] == [(b"k", None, []), (None, b"", headers)]


async def test_records_as_large_as_the_broker_takes_them_come_through_a_smaller_budget(kafka_broker, tmp_path):
    name, sizes = f"large-{tmp_path.name}", [16 * MIB, 100, 20 * MIB - 200, 300]
    await kafka_broker.create_topic(name, max_message_bytes=20 * MIB)
    ours = Cluster(kafka_broker.bootstrap_servers)
    async with AIOKafkaProducer(
        bootstrap_servers=ours.bootstrap_servers, max_request_size=21 * MIB, max_batch_size=21 * MIB
    ) as producer:
        for size in sizes:
            await producer.send_and_wait(name, bytes(size), partition=0)
        with pytest.raises(KafkaError):
            await producer.send_and_wait(name, bytes(20 * MIB), partition=0)
    seen = []

    async def work(frame: Frame) -> None:
        seen.extend(len(record.value) for record in frame.records)

    app = frames_app(ours, tmp_path, MemoryStore(), group=name, budget_bytes=4 * MIB)
    collect(app, name, work=work)
    async with running(app):
        await until(lambda: len(seen) == len(sizes))
        await until(lambda: app.consumer.ledger.budget.held_bytes == 0)
    assert seen == sizes
    await ours.delete_topics(name)


async def test_a_compacted_topic_is_read_to_its_end(kafka_installation: KafkaInstallation, tmp_path):
    properties = {"log.cleaner.backoff.ms": 50, "log.initial.task.delay.ms": 50}
    async with KafkaCluster(tmp_path / "kafka", properties=properties, installation=kafka_installation) as kafka:
        await kafka.create_topic("t", cleanup_policy="compact", segment_ms=50, min_cleanable_dirty_ratio=0.001)
        ours = Cluster(kafka.bootstrap_servers)
        async with AIOKafkaProducer(bootstrap_servers=ours.bootstrap_servers) as producer:
            for n in range(40):
                await producer.send_and_wait("t", b"%d" % n, key=b"k%d" % (n % 4), partition=0)
            await asyncio.sleep(0.1)
            await producer.send_and_wait("t", b"last", key=b"other", partition=0)

        async def offsets() -> list[int]:
            async with AIOKafkaConsumer(bootstrap_servers=ours.bootstrap_servers) as consumer:
                place = TopicPartition("t", 0)
                consumer.assign([place])
                await consumer.seek_to_beginning(place)
                found: list[int] = []
                while await consumer.position(place) < 41:
                    for records in (await consumer.getmany(timeout_ms=100)).values():
                        found += [record.offset for record in records]
            return found

        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(left := await offsets()) == 41:  # noqa: ASYNC110  # the cleaner tells nobody
                await asyncio.sleep(0.1)
        store, _ = await read(ours, tmp_path, 41)
        # The cleaner may have gone on: what was read is what was there at some moment between two looks.
        seen = [n for n, _ in store.committed[TP0]]
        assert seen == sorted(seen)
        assert set(await offsets()) <= set(seen) <= set(left)
        latest = {n % 4: b"%d" % n for n in range(40)}
        assert latest.items() <= {(n % 4, value) for n, value in store.committed[TP0] if n < 40}


async def test_what_a_hostile_producer_may_append_moves_no_position_over_others_records(brokers, tmp_path):
    refused = [
        batch(0, [b"a", b"b", b"c"], last_delta=9_000),
        batch(0, [b"a", b"b", b"c"], last_delta=9_000, count=9_001),
        batch(0, [b"a", b"b", b"c"], last_delta=1),
        batch(0, [b"a", b"b", b"c"], deltas=[0, 9_000, 2], last_delta=2, compression="gzip"),
        broken(batch(0, [b"a"])),
    ]
    taken = [
        batch(0, [b"0", b"beyond", b"-"], deltas=[0, 9_000, 2], last_delta=2),
        batch(0, [bytes(3 * MIB)], compression="zstd"),
        batch(0, [b"4", b"-"], headers=[[], HOSTILE]),
    ]
    async with brokers(tmp_path, t=1) as ours:
        for packed in refused:
            with pytest.raises(KafkaError):
                await ours.produce_batch("t", packed)
        for packed in taken:
            await ours.produce_batch("t", packed)
        await ours.produce("t", {0: [b"6"]})
        store, _ = await read(ours, tmp_path, 7, max_batch_bytes=MIB)
    assert store.committed[TP0] == [(0, b"0"), (4, b"4"), (6, b"6")]
    assert store.passed_over[TP0] == [(1, 2), (3, 3), (5, 5)]


async def test_a_corrupt_batch_makes_its_partition_wait_and_the_others_go_on(brokers, tmp_path, monkeypatch):
    async with brokers(tmp_path, t=2) as ours:
        await ours.produce("t", {0: [b"0"]})
        await ours.produce_batch("t", batch(0, [b"1"]))
        store, sound = MemoryStore(), []

        async def work(frame: Frame) -> None:
            assert store.commit(frame)

        app = frames_app(ours, tmp_path, store)
        collect(app, "t", work=work)
        checked = GuardedBatch.validate_crc

        def validate(guarded: GuardedBatch) -> bool:  # Kafka checks what is appended: a disk can't be broken here
            checked(guarded)
            guarded.corrupt = guarded.corrupt or (not sound and guarded.base_offset == 1 and len(guarded.raw) < 80)
            return True

        monkeypatch.setattr(GuardedBatch, "validate_crc", validate)
        async with running(app):
            await until(lambda: store.committed[TP0] == [(0, b"0")])
            for n in range(3):
                await ours.produce("t", {1: [b"%d" % n * 40]})
                await until(lambda n=n: len(store.committed[TP("t", 1)]) == n + 1)
            assert store.watermarks[TP0] == 1
            sound.append(True)
            await until(lambda: store.watermarks[TP0] == 2)
    assert store.committed[TP0] == [(0, b"0"), (1, b"1")]


async def test_a_storm_of_rebalances_under_load_misses_and_doubles_nothing(brokers, tmp_path):
    partitions, rounds = 6, 60
    async with brokers(tmp_path, t=partitions) as ours:
        store, apps = MemoryStore(), {}

        def member(name: str):
            async def work(frame: Frame) -> None:
                await asyncio.sleep(0.002)
                if frame.current and not store.commit(frame):
                    await apps[name].consumer.rewind([frame.tp])

            apps[name] = frames_app(ours, tmp_path / name, store)
            collect(apps[name], "t", work=work)
            return running(apps[name])

        async def produce() -> None:
            for n in range(rounds):
                await ours.produce("t", {p: [b"%d" % n] * 20 for p in range(partitions)})

        victim = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            KILLED_MEMBER,
            ours.bootstrap_servers,
            str(tmp_path / "victim"),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        try:
            producing = asyncio.create_task(produce())
            async with member("stays"):
                async with member("leaves"), member("too"):
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        assert await victim.stdout.readline() == b"in work\n"
                    victim.send_signal(signal.SIGKILL)
                for name in ("late", "later"):
                    async with member(name):
                        pass
                await producing
                await until(lambda: store.count >= partitions * rounds * 20)
        finally:
            if victim.returncode is None:
                victim.kill()
            await victim.wait()
    for partition in range(partitions):
        values = [b"%d" % n for n in range(rounds) for _ in range(20)]
        assert store.committed[TP("t", partition)] == list(enumerate(values))
