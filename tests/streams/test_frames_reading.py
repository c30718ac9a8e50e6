"""What an agent gets from a real broker."""

import asyncio

import pytest
from faust.types import TP
from structlog.testing import capture_logs

from streams.app import running
from streams.frames import Frame
from tests.streams.frame_cluster import MemoryStore, collect, frames_app, until


async def test_delivers_every_record_of_all_partitions_once_and_in_order(brokers, tmp_path):
    async with brokers(tmp_path, t=4) as ours:
        values = {p: [b"%d-%d" % (p, n) for n in range(12_500)] for p in range(4)}
        await ours.produce("t", values)
        store, app_frames = MemoryStore(), []

        async def work(frame: Frame) -> None:
            assert store.commit(frame)
            app_frames.append(frame)

        app = frames_app(ours, tmp_path, store, max_frame_records=500)
        collect(app, "t", work=work)
        async with running(app):
            await until(lambda: store.count >= 50_000)
    for partition, expected in values.items():
        assert store.committed[TP("t", partition)] == list(enumerate(expected))
        mine = [f for f in app_frames if f.partition == partition]
        assert [f.first for f in mine] == [0, *(f.next for f in mine[:-1])], "contiguous"
    assert max(len(f.records) for f in app_frames) <= 500


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_reads_compressed_batches(brokers, tmp_path, codec):
    async with brokers(tmp_path, t=1) as ours:
        values = [b"record %d" % n for n in range(1_200)]
        await ours.produce("t", {0: values}, compression=codec, max_batch_size=1 << 16)
        store = MemoryStore()

        async def work(frame: Frame) -> None:
            assert store.commit(frame)

        app = frames_app(ours, tmp_path, store)
        collect(app, "t", work=work)
        async with running(app):
            await until(lambda: store.count >= len(values))
    assert store.committed[TP("t", 0)] == list(enumerate(values))


async def test_reads_several_topics_and_what_arrives_later(brokers, tmp_path):
    async with brokers(tmp_path, one=2, two=1) as ours:
        await ours.produce("one", {0: [b"a"], 1: [b"b"]})
        store = MemoryStore()

        async def work(frame: Frame) -> None:
            assert store.commit(frame)

        app = frames_app(ours, tmp_path, store)
        collect(app, "one", "two", work=work)
        async with running(app):
            await until(lambda: store.count == 2)
            for n in range(3):
                await ours.produce("two", {0: [b"%d" % n]})
                await until(lambda n=n: store.count == 3 + n)
    assert store.committed == {
        TP("one", 0): [(0, b"a")],
        TP("one", 1): [(0, b"b")],
        TP("two", 0): [(0, b"0"), (1, b"1"), (2, b"2")],
    }


async def test_frames_of_different_partitions_are_in_work_at_once_and_acks_may_come_in_any_order(brokers, tmp_path):
    async with brokers(tmp_path, t=3) as ours:
        await ours.produce("t", {p: [b"x"] * 700 for p in range(3)})
        store, first, done = MemoryStore(), {}, []
        release = {p: asyncio.Event() for p in range(3)}

        async def work(frame: Frame) -> None:
            assert frame.partition not in first, "at most one frame of a partition is in work"
            first[frame.partition] = frame
            await release[frame.partition].wait()
            del first[frame.partition]
            assert store.commit(frame)
            done.append(frame.partition)

        app = frames_app(ours, tmp_path, store)
        collect(app, "t", work=work)
        async with running(app):
            await until(lambda: len(first) == 3)
            for count, partition in enumerate([2, 0, 1], start=1):
                release[partition].set()
                await until(lambda count=count: store.count == 700 * count)
    assert list(dict.fromkeys(done)) == [2, 0, 1]


async def test_what_comes_in_under_load_while_a_frame_is_in_work_is_one_frame_after_it(brokers, tmp_path):
    async with brokers(tmp_path, t=1) as ours:
        await ours.produce("t", {0: [b"a", b"b"]})
        store, frames, released = MemoryStore(), [], asyncio.Event()

        async def work(frame: Frame) -> None:
            frames.append(frame)
            await released.wait()
            assert store.commit(frame)

        app = frames_app(ours, tmp_path, store)
        collect(app, "t", work=work)
        async with running(app):
            await until(lambda: frames)
            for n in range(5):
                await ours.produce("t", {0: [b"%d" % n]})
            released.set()
            await until(lambda: store.count == 7)
    assert [len(frame.records) for frame in frames] == [2, 5]


async def test_a_sleeping_agent_holds_no_more_than_the_budget_and_one_fetch(brokers, tmp_path):
    async with brokers(tmp_path, t=4) as ours:
        await ours.produce("t", {p: [bytes(20_000)] * 200 for p in range(4)})
        store, most, awake = MemoryStore(), 0, asyncio.Event()
        budget, records_at_once = 2_000_000, 20

        async def work(frame: Frame) -> None:
            nonlocal most
            await awake.wait()
            most = max(most, app.consumer.ledger.budget.held_bytes)
            assert store.commit(frame)

        app = frames_app(ours, tmp_path, store, budget_bytes=budget, depth=1000, max_frame_records=records_at_once)
        collect(app, "t", work=work, concurrency=1)
        async with running(app):
            held = app.consumer.ledger.budget
            await until(lambda: not app.consumer.ledger.readable(app.consumer.assignment()))
            assert budget <= held.held_bytes <= budget + records_at_once * 20_400
            awake.set()
            await until(lambda: store.count == 800)
            await until(lambda: held.held_bytes == 0)
    assert most <= budget + records_at_once * 20_400


async def test_a_seek_brings_the_records_again_from_exactly_there(brokers, tmp_path):
    async with brokers(tmp_path, t=2) as ours:
        await ours.produce("t", {p: [b"%d" % n for n in range(1_000)] for p in range(2)})
        store, seen = MemoryStore(), []

        async def work(frame: Frame) -> None:
            seen.extend((frame.partition, record.offset) for record in frame.records)

        app = frames_app(ours, tmp_path, store)
        collect(app, "t", work=work)
        async with running(app):
            await until(lambda: len(seen) == 2_000)
            seen.clear()
            await app.consumer.seek(TP("t", 1), 137)
            await until(lambda: len(seen) >= 863)
            await ours.produce("t", {0: [b"more"]})
            await until(lambda: (0, 1_000) in seen)
    assert seen == [*((1, n) for n in range(137, 1_000)), (0, 1_000)]


async def test_an_agent_that_lost_the_race_for_a_frame_rewinds_and_goes_on_from_the_store(brokers, tmp_path):
    async with brokers(tmp_path, t=1) as ours:
        await ours.produce("t", {0: [b"%d" % n for n in range(1_000)]})
        store, tp, frames = MemoryStore(), TP("t", 0), []

        async def work(frame: Frame) -> None:
            frames.append(frame)
            if len(frames) == 1:
                store.watermarks[tp] = 100  # another worker was faster, with less
                await app.consumer.rewind([tp])
                assert not frame.current
            assert store.commit(frame)

        app = frames_app(ours, tmp_path, store)
        collect(app, "t", work=work)
        async with running(app):
            await until(lambda: store.watermarks.get(tp) == 1_000 and len(frames) > 1)
    assert [offset for offset, _ in store.committed[tp]] == list(range(100, 1_000))
    assert frames[1].first == 100


async def test_a_paused_partition_delivers_nothing_until_it_is_resumed(brokers, tmp_path):
    async with brokers(tmp_path, t=2) as ours:
        store = MemoryStore()

        async def work(frame: Frame) -> None:
            assert store.commit(frame)

        app = frames_app(ours, tmp_path, store)
        collect(app, "t", work=work)
        async with running(app):
            app.consumer.pause_partitions({TP("t", 0)})
            await ours.produce("t", {0: [b"held"] * 10})
            for n in range(5):
                await ours.produce("t", {1: [b"%d" % n] * 10})
                await until(lambda n=n: store.count == 10 * (n + 1))
            assert TP("t", 0) not in store.committed
            app.consumer.resume_partitions({TP("t", 0)})
            await until(lambda: store.count == 60)
    assert store.committed[TP("t", 0)] == [(n, b"held") for n in range(10)]


async def test_kafka_learns_the_acked_position_for_lag_tools(brokers, tmp_path):
    async with brokers(tmp_path, t=2) as ours:
        await ours.produce("t", {0: [b"x"] * 1_000, 1: [b"x"]})
        store = MemoryStore()

        async def work(frame: Frame) -> None:
            assert store.commit(frame)

        app = frames_app(ours, tmp_path, store)
        collect(app, "t", work=work)
        async with running(app):
            await until(lambda: store.count == 1_001)
        assert await ours.group_offset("group", TP("t", 0)) == 1_000
        assert await ours.group_offset("group", TP("t", 1)) == 1


async def test_the_store_decides_where_to_begin_not_the_offset_in_kafka(brokers, tmp_path):
    async with brokers(tmp_path, t=1) as ours:
        await ours.produce("t", {0: [b"%d" % n for n in range(1_000)]})
        for start, expected in [(900, 100), (400, 600)]:
            store = MemoryStore()
            store.watermarks[TP("t", 0)] = start

            async def work(frame: Frame, store: MemoryStore = store) -> None:
                assert store.commit(frame)

            app = frames_app(ours, tmp_path, store)
            collect(app, "t", work=work)
            async with running(app):
                await until(lambda store=store, expected=expected: store.count == expected)
            assert store.committed[TP("t", 0)][0] == (start, b"%d" % start)


async def test_a_partition_that_the_store_does_not_know_is_not_read(brokers, tmp_path):
    async with brokers(tmp_path, t=2) as ours:
        await ours.produce("t", {0: [b"x"], 1: [b"x"]})
        store = MemoryStore()

        async def only_the_first(consumer, tps):
            return {tp: 0 for tp in await store.positions(consumer, tps) if tp.partition == 0}

        async def work(frame: Frame) -> None:
            assert store.commit(frame)

        app = frames_app(ours, tmp_path, store, positions=only_the_first)
        collect(app, "t", work=work)
        with capture_logs() as logs:
            async with running(app):
                await until(lambda: store.count == 1)
                await ours.produce("t", {0: [b"y"], 1: [b"y"]})
                await until(lambda: store.count == 2)
                assert await app.consumer.position(TP("t", 1)) is None
    assert store.committed.keys() == {TP("t", 0)}
    assert {"event": "frames.position_unknown", "log_level": "debug", "partitions": 1} in logs
