"""Members of a group that join, leave, are killed or lose partitions with frames in work."""

import asyncio
import os
import signal
import sys
from datetime import timedelta

from faust.types import TP

from streams.app import running
from streams.frames import Frame
from tests.streams.frame_cluster import PATIENCE_SECONDS, MemoryStore, collect, frames_app, until


async def test_one_of_two_members_stops_and_no_record_is_missed_or_doubled(brokers, tmp_path):
    async with brokers(tmp_path, t=4) as ours:
        store, by_member = MemoryStore(), {"first": set(), "second": set()}
        apps = {}
        for member, partitions in by_member.items():

            async def work(frame: Frame, member: str = member, partitions: set[int] = partitions) -> None:
                partitions.add(frame.partition)
                await asyncio.sleep(0.001)
                if not store.commit(frame):
                    await apps[member].consumer.rewind([frame.tp])

            apps[member] = frames_app(ours, tmp_path / member, store)
            collect(apps[member], "t", work=work)

        async def produce(rounds: int) -> None:
            for _ in range(rounds):
                await ours.produce("t", {p: [b"x"] * 50 for p in range(4)})
                await asyncio.sleep(0.01)

        async with running(apps["first"]):
            await produce(5)
            async with running(apps["second"]):
                for partitions in by_member.values():
                    partitions.clear()
                await produce(20)
                await until(lambda: all(by_member.values()) and len(set.union(*by_member.values())) == 4)
                assert not set.intersection(*by_member.values())
                producing = asyncio.create_task(produce(20))
            await producing
            await until(lambda: store.count >= 45 * 200)
    for partition in range(4):
        assert [offset for offset, _ in store.committed[TP("t", partition)]] == list(range(45 * 50))


KILLED_MEMBER = """
import asyncio, sys
from datetime import timedelta
from pathlib import Path
from streams.app import build_app, frame_topic, running
from streams.frames import FrameOptions
from streams.kafka import KafkaAccess

async def earliest(consumer, tps):
    return await consumer.earliest_offsets(*tps)

async def main():
    app = build_app("group", kafka=KafkaAccess(sys.argv[1]), frames=FrameOptions(positions=earliest),
                    datadir=Path(sys.argv[2]), session_timeout=timedelta(seconds=2))
    @app.agent(frame_topic(app, "t"))
    async def agent(stream):
        async for event in stream.events():
            print("in work", flush=True)
            await asyncio.sleep(3600)
    async with running(app):
        await asyncio.sleep(3600)

asyncio.run(main())
"""


async def test_the_partitions_of_a_killed_member_are_taken_over_from_the_store(brokers, tmp_path):
    async with brokers(tmp_path, t=2) as ours:
        await ours.produce("t", {0: [b"x"] * 600, 1: [b"x"] * 600})
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
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert await victim.stdout.readline() == b"in work\n"
            store = MemoryStore()

            async def work(frame: Frame) -> None:
                assert store.commit(frame)

            app = frames_app(ours, tmp_path, store)
            collect(app, "t", work=work)
            starting = asyncio.create_task(_run_until(app, lambda: store.count == 1_200))
            victim.send_signal(signal.SIGKILL)
            await starting
        finally:
            if victim.returncode is None:
                victim.kill()
            await victim.wait()
    assert all([n for n, _ in store.committed[TP("t", p)]] == list(range(600)) for p in range(2))


async def _run_until(app, condition):
    async with running(app):
        await until(condition)


async def test_an_ack_after_the_revocation_no_longer_counts(brokers, tmp_path):
    async with brokers(tmp_path, t=1) as ours:
        await ours.produce("t", {0: [b"x"] * 300})
        store, tp = MemoryStore(), TP("t", 0)
        taken, release = [], asyncio.Event()

        async def stuck(frame: Frame) -> None:
            taken.append(frame)
            if len(taken) == 1:
                await release.wait()
            else:
                assert store.commit(frame)

        app = frames_app(ours, tmp_path, store, drain_timeout=timedelta(milliseconds=100))
        collect(app, "t", work=stuck)
        other = frames_app(ours, tmp_path / "other", store)
        collect(other, "t", work=stuck)
        async with running(app):
            await until(lambda: len(taken) == 1)
            frame, ledger = taken[0], app.consumer.ledger
            held = ledger.budget.held_bytes
            assert held == frame.size > 0
            async with running(other):
                assert not frame.current
                assert ledger.budget.held_bytes >= held, "its records are still in memory"
                release.set()
                await until(lambda: frame.acked)
                assert frame.hold.cursor not in ledger.cursors().values(), "its ack speaks for nobody"
            await until(lambda: store.count == 300)
            await until(lambda: ledger.budget.held_bytes == 0)
    assert [n for n, _ in store.committed[tp]] == list(range(300))


async def test_a_frame_in_work_is_finished_before_its_partition_goes_to_another_member(brokers, tmp_path):
    async with brokers(tmp_path, t=1) as ours:
        await ours.produce("t", {0: [b"x"] * 300})
        store, log = MemoryStore(), []

        async def slow(frame: Frame) -> None:
            await asyncio.sleep(0.3)
            log.append(frame.current)
            assert store.commit(frame)

        apps = [frames_app(ours, tmp_path / name, store, drain_timeout=timedelta(seconds=10)) for name in "ab"]
        for app in apps:
            collect(app, "t", work=slow)
        async with running(apps[0]):
            await asyncio.sleep(0.1)
            async with running(apps[1]):
                await ours.produce("t", {0: [b"y"] * 300})
                await until(lambda: store.count == 600)
    assert all(log), "no frame was overtaken by the rebalance"


async def test_a_member_whose_agents_are_stuck_gives_its_partition_up_and_comes_back(brokers, tmp_path):
    async with brokers(tmp_path, t=1) as ours:
        await ours.produce("t", {0: [b"x"] * 10})
        store, stuck, took = MemoryStore(), asyncio.Event(), []
        settings = {"broker_max_poll_interval": 2.0}

        async def blocked(frame: Frame) -> None:
            took.append("stuck")
            await stuck.wait()
            store.commit(frame)

        async def free(frame: Frame) -> None:
            took.append("free")
            assert store.commit(frame)

        member, other = (frames_app(ours, tmp_path / name, store, settings=settings) for name in ("member", "other"))
        collect(member, "t", work=blocked)
        collect(other, "t", work=free)
        async with running(member):
            await until(lambda: took == ["stuck"])
            async with running(other):
                await until(lambda: store.count == 10)
                assert took[-1] == "free"
                generation = other.consumer_generation_id
                stuck.set()
                await until(lambda: other.consumer_generation_id > generation)
            await ours.produce("t", {0: [b"y"] * 10})
            await until(lambda: store.count == 20)
    assert took[-1] == "stuck"
    assert [n for n, _ in store.committed[TP("t", 0)]] == list(range(20))


async def test_a_member_without_partitions_stays_ready_to_take_over(brokers, tmp_path):
    async with brokers(tmp_path, t=1) as ours:
        store, took = MemoryStore(), []
        members = {}
        for name in ("one", "two"):

            async def work(frame: Frame, name: str = name) -> None:
                took.append(name)
                assert store.commit(frame)

            members[name] = frames_app(ours, tmp_path / name, store, settings={"broker_max_poll_interval": 1.0})
            collect(members[name], "t", work=work)
        async with running(members["one"]), running(members["two"]):
            await asyncio.sleep(2.5)  # idle beyond the poll interval; the second one's joining may move the partition
            reading = next(name for name, app in members.items() if app.consumer.assignment())
            waiting = members["two" if reading == "one" else "one"]
            await ours.produce("t", {0: [b"x"]})
            await until(lambda: store.count == 1)
            await members[reading].stop()
            await ours.produce("t", {0: [b"y"]})
            await until(lambda: store.count == 2)
            assert took == [reading, "two" if reading == "one" else "one"]
            assert waiting.consumer.assignment() == {TP("t", 0)}
