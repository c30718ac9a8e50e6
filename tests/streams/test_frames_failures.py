"""What happens when the agent, the store, the broker or the host fails."""

import asyncio
import logging
import signal
import sys
from datetime import timedelta

import faust
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError, TopicAuthorizationFailedError
from faust.types import TP

from schemas.errors import ConfigurationError
from streams.app import AppCrashed, build_app, frame_topic, running
from streams.frames import (
    BrokerUnavailable,
    FeedError,
    Frame,
    FrameOptions,
    PositionsUnavailable,
    register,
)
from streams.kafka import KafkaAccess
from tests.streams.batch_bytes import HOSTILE, batch
from tests.streams.frame_cluster import PATIENCE_SECONDS, MemoryStore, cluster, collect, frames_app, until


class Broken(Exception):
    """What an agent may raise."""


async def test_an_agent_that_raises_stops_the_app(tmp_path):
    async with cluster(tmp_path, t=1) as ours:
        await ours.produce("t", {0: [b"x"]})

        async def work(frame: Frame) -> None:
            raise Broken

        app = frames_app(ours, tmp_path, MemoryStore())
        collect(app, "t", work=work)
        with pytest.raises(AppCrashed, match="crashed with Broken") as caught:
            async with running(app):
                await asyncio.sleep(PATIENCE_SECONDS)
        assert isinstance(caught.value.__cause__, Broken)


@pytest.mark.parametrize("acks", [pytest.param(True, id="acking-stream"), pytest.param(False, id="noack-stream")])
async def test_what_an_agent_raised_on_is_read_again_from_the_store_where_asked_to(tmp_path, acks):
    async with cluster(tmp_path, t=1) as ours:
        await ours.produce("t", {0: [b"x"] * 1_200})
        store, deliveries = MemoryStore(), []
        app = frames_app(ours, tmp_path, store, on_agent_error="reread", max_frame_records=500)

        @app.agent(frame_topic(app, "t"))
        async def agent(stream: faust.StreamT) -> None:
            async for event in (stream if acks else stream.noack()).events():
                deliveries.append(event.message.first)
                if deliveries.count(500) == 1:
                    raise Broken
                if store.commit(event.message):
                    event.ack()

        async with running(app):
            await until(lambda: store.count == 1_200)
            assert app.consumer.ledger.budget.held_bytes == 0
    assert deliveries[:2] == [0, 500]
    assert [offset for offset, _ in store.committed[TP("t", 0)]] == list(range(1_200))


async def test_acks_may_come_from_another_task(tmp_path):
    async with cluster(tmp_path, t=2) as ours:
        await ours.produce("t", {p: [b"x"] * 1_200 for p in range(2)})
        store, queue = MemoryStore(), asyncio.Queue()
        app = frames_app(ours, tmp_path, store)

        @app.agent(frame_topic(app, "t"), concurrency=2)
        async def agent(stream: faust.StreamT) -> None:
            async for event in stream.noack().events():
                await queue.put(event)

        async def commit_in_groups() -> None:
            while True:
                events = [await queue.get()]
                while not queue.empty():
                    events.append(queue.get_nowait())
                for event in events:
                    assert store.commit(event.message)
                    event.ack()

        async with running(app):
            committing = asyncio.create_task(commit_in_groups())
            await until(lambda: store.count == 2_400)
            committing.cancel()
        assert await ours.group_offset("group", TP("t", 0)) == 1_200


async def test_what_the_broker_refuses_for_good_stops_the_app_with_a_clear_error(tmp_path):
    async with cluster(tmp_path, t=1) as ours:
        app = frames_app(ours, tmp_path, MemoryStore())
        collect(app, "t", work=lambda frame: asyncio.sleep(0))

        async def host() -> None:
            async with running(app):
                # The embedded broker refuses nothing; Kafka's refusals make aiokafka do this.
                app.consumer.reader._kafka._fetcher._set_error(
                    TopicPartition("t", 0), TopicAuthorizationFailedError("t")
                )
                await asyncio.sleep(PATIENCE_SECONDS)

        with pytest.raises(FeedError, match="TopicAuthorizationFailedError"):
            await host()


async def test_a_position_that_the_broker_lost_is_asked_for_again_and_the_others_go_on(tmp_path):
    async with cluster(tmp_path, t=2) as ours:
        store, refused = MemoryStore(), []

        async def positions(consumer, tps):
            found = await store.positions(consumer, tps)
            return {tp: offset for tp, offset in found.items() if tp not in refused}

        async def work(frame: Frame) -> None:
            assert store.commit(frame)

        app = frames_app(ours, tmp_path, store, positions=positions)
        collect(app, "t", work=work)
        async with running(app):
            refused.append(TP("t", 0))
            lost = OffsetOutOfRangeError({TopicPartition("t", 0): 0})
            app.consumer.reader._kafka._fetcher._set_error(TopicPartition("t", 0), lost)
            await until(lambda: frozenset(refused) in store.asked)
            await ours.produce("t", {0: [b"x"], 1: [b"y"]})
            await until(lambda: store.count == 1)
            assert store.committed[TP("t", 1)] == [(0, b"y")]
            refused.clear()
            await app.consumer.rewind([TP("t", 0)])
            await until(lambda: store.count == 2)


async def test_unreadable_batches_are_passed_over_and_what_lies_around_them_is_delivered(tmp_path):
    async with cluster(tmp_path, t=2) as ours:
        await ours.produce("t", {0: [b"%d" % n for n in range(77)], 1: [b"other"] * 1_200})
        await ours.produce_batch("t", batch(0, [bytes(900_000), b"x"], compression="zstd"))
        await ours.produce("t", {0: [b"between"]})
        await ours.produce_batch("t", batch(0, [b"readable", b"not", b"not"], headers=[[], HOSTILE]))
        store = MemoryStore()

        async def work(frame: Frame) -> None:
            assert store.commit(frame)

        app = frames_app(ours, tmp_path, store, max_batch_bytes=500_000)
        collect(app, "t", work=work)
        async with running(app):
            await until(lambda: store.count == 1_279 and store.watermarks[TP("t", 0)] == 83)
            await ours.produce("t", {0: [b"after"]})
            await until(lambda: store.count == 1_280)
            assert app.consumer.ledger.budget.held_bytes == 0
    assert [n for n, _ in store.committed[TP("t", 0)]] == [*range(77), 79, 80, 83]
    assert store.passed_over[TP("t", 0)] == [(77, 78), (81, 82)]
    assert store.passed_over[TP("t", 1)] == []


async def test_a_frame_may_hold_nothing_but_what_is_passed_over(tmp_path):
    async with cluster(tmp_path, t=1) as ours:
        await ours.produce_batch("t", batch(0, [b"", b""], headers=[HOSTILE]))
        store, frames = MemoryStore(), []

        async def work(frame: Frame) -> None:
            frames.append((frame.first, frame.next, frame.offset, frame.records))
            assert store.commit(frame)

        app = frames_app(ours, tmp_path, store)
        collect(app, "t", work=work)
        async with running(app):
            await until(lambda: store.watermarks[TP("t", 0)] == 2)
    assert frames == [(0, 2, 1, [])]
    assert store.passed_over == {TP("t", 0): [(0, 1)]}


async def test_a_store_that_fails_stops_the_app(tmp_path):
    async with cluster(tmp_path, t=1) as ours:

        async def positions(consumer, tps):
            raise Broken

        app = frames_app(ours, tmp_path, MemoryStore(), positions=positions)
        collect(app, "t", work=lambda frame: asyncio.sleep(0))
        with pytest.raises(AppCrashed) as caught:
            async with running(app):
                await asyncio.sleep(PATIENCE_SECONDS)
        assert isinstance(caught.value.__cause__, Broken)


async def test_a_store_that_never_answers_stops_the_app_instead_of_idling(tmp_path):
    async with cluster(tmp_path, t=1) as ours:

        async def positions(consumer, tps):
            await asyncio.sleep(PATIENCE_SECONDS)

        app = build_app(
            "group",
            kafka=KafkaAccess(ours.bootstrap_servers),
            frames=FrameOptions(positions=positions, drain_timeout=timedelta(seconds=1)),
            datadir=tmp_path / "faust",
            session_timeout=timedelta(seconds=2),
            settings={"broker_request_timeout": 4.0},
        )
        collect(app, "t", work=lambda frame: asyncio.sleep(0))
        with pytest.raises(PositionsUnavailable, match="no positions for 1 partitions within 4 s"):
            async with running(app):
                await asyncio.sleep(PATIENCE_SECONDS)


async def test_a_broker_that_is_away_at_the_start_is_told_clearly(tmp_path):
    app = build_app(
        "group",
        kafka=KafkaAccess("127.0.0.1:1"),
        frames=FrameOptions(positions=MemoryStore().positions),
        datadir=tmp_path / "faust",
    )
    with pytest.raises(BrokerUnavailable, match="start it or correct the address"):
        async with running(app):
            pytest.fail("must not start")


async def test_a_broker_that_goes_away_does_not_keep_the_app_from_stopping(tmp_path):
    async with cluster(tmp_path, t=1) as ours:
        store = MemoryStore()

        async def work(frame: Frame) -> None:
            assert store.commit(frame)

        app = frames_app(ours, tmp_path, store)
        collect(app, "t", work=work)
        await ours.produce("t", {0: [b"x"]})
        entered = running(app)
        await entered.__aenter__()
        await until(lambda: store.count == 1)
    async with asyncio.timeout(30):
        await entered.__aexit__(None, None, None)


async def test_stopping_an_app_that_was_never_started_does_nothing(tmp_path):
    app = build_app(
        "group",
        kafka=KafkaAccess("127.0.0.1:1"),
        frames=FrameOptions(positions=MemoryStore().positions),
        datadir=tmp_path / "faust",
    )
    collect(app, "t", work=lambda frame: asyncio.sleep(0))
    app.consumer  # noqa: B018  # creates it
    await app.stop()


async def test_cancelling_the_body_is_not_mistaken_for_a_crash(tmp_path):
    async with cluster(tmp_path, t=1) as ours:
        app = frames_app(ours, tmp_path, MemoryStore())
        collect(app, "t", work=lambda frame: asyncio.sleep(0))
        entered = asyncio.Event()

        async def host() -> None:
            async with running(app):
                entered.set()
                await asyncio.sleep(PATIENCE_SECONDS)

        task = asyncio.create_task(host())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert app.should_stop


async def test_running_changes_neither_logging_nor_output_nor_signals_nor_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")

    def surroundings():
        root = logging.getLogger()
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
        return sys.stdout, sys.stderr, list(root.handlers), root.level, handlers, list((tmp_path / "cwd").iterdir())

    async with cluster(tmp_path, t=1) as ours:
        before = surroundings()
        app = frames_app(ours, tmp_path, MemoryStore())
        collect(app, "t", work=lambda frame: asyncio.sleep(0))
        async with running(app):
            assert surroundings() == before
    assert surroundings() == before


def test_an_app_by_url_alone_says_that_it_lacks_options(tmp_path):
    register()
    app = faust.App("plain", broker="frames://127.0.0.1:9092", datadir=tmp_path)
    with pytest.raises(ConfigurationError, match="use_frames"):
        app.consumer  # noqa: B018


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"depth": 0}, id="no-depth"),
        pytest.param({"budget_bytes": 0}, id="no-budget"),
        pytest.param({"max_frame_records": 0}, id="empty-frames"),
        pytest.param({"max_batch_bytes": 0}, id="empty-batches"),
        pytest.param({"consumer_options": {"auto_offset_reset": "latest"}}, id="reads-elsewhere"),
        pytest.param({"consumer_options": {"isolation_level": "read_uncommitted"}}, id="reads-aborted"),
    ],
)
def test_options_that_would_break_a_promise_are_refused(options):
    with pytest.raises(ConfigurationError):
        FrameOptions(positions=MemoryStore().positions, **options)
