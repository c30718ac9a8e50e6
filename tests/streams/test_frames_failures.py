"""What happens when the agent, the store, the broker or the host fails."""

import asyncio
import logging
import signal
import sys
from datetime import timedelta

import faust
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError, TopicAuthorizationFailedError
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from faust.types import TP

from schemas.errors import ConfigurationError
from streams.app import AppCrashed, build_app, frame_topic, running
from streams.frames import (
    BatchUnreadable,
    BrokerUnavailable,
    FeedError,
    Frame,
    FrameOptions,
    PositionLost,
    PositionsUnavailable,
    register,
)
from streams.kafka import KafkaAccess
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
        app = frames_app(ours, tmp_path, store, on_agent_error="reread")

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


@pytest.mark.parametrize(
    ("broken", "error", "text"),
    [
        pytest.param(
            OffsetOutOfRangeError({TopicPartition("t", 0): 5_000}),
            PositionLost,
            r"t\[0\] does not hold position 5000",
            id="position-lost",
        ),
        pytest.param(TopicAuthorizationFailedError("t"), FeedError, "TopicAuthorizationFailedError", id="no-right"),
    ],
)
async def test_what_the_broker_refuses_for_good_stops_the_app_with_a_clear_error(tmp_path, broken, error, text):
    async with cluster(tmp_path, t=1) as ours:
        app = frames_app(ours, tmp_path, MemoryStore())
        collect(app, "t", work=lambda frame: asyncio.sleep(0))

        async def host() -> None:
            async with running(app):
                # The embedded broker refuses nothing; Kafka's refusals make aiokafka do this.
                app.consumer.reader._kafka._fetcher._set_error(TopicPartition("t", 0), broken)
                await asyncio.sleep(PATIENCE_SECONDS)

        with pytest.raises(error, match=text):
            await host()


class HeaderName(str):
    """Encodes to something that is not UTF-8, as a hostile producer may."""

    __slots__ = ()

    def encode(self, *args: str) -> bytes:
        return b"\xff\xfe"


@pytest.mark.parametrize(
    ("compression", "value", "headers", "text"),
    [
        pytest.param("zstd", bytes(900_000), [], "unpacks to more than 500000 bytes", id="bomb"),
        pytest.param(None, b"", [(HeaderName("h"), b"")], "UnicodeDecodeError", id="header-name"),
    ],
)
async def test_an_unreadable_batch_stops_the_app_after_what_lies_before_it(tmp_path, compression, value, headers, text):
    async with cluster(tmp_path, t=1) as ours:
        await ours.produce("t", {0: [b"%d" % n for n in range(77)]})
        producer = AIOKafkaProducer(bootstrap_servers=ours.bootstrap_servers, compression_type=compression)
        await producer.start()
        batch = producer.create_batch()
        if headers:  # the compiled builder takes no such name
            batch._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, 1 << 20)
        batch.append(timestamp=None, key=None, value=value, headers=headers)
        await (await producer.send_batch(batch, "t", partition=0))
        await producer.stop()
        await ours.produce("t", {0: [b"after"]})
        store = MemoryStore()

        async def work(frame: Frame) -> None:
            assert store.commit(frame)

        app = frames_app(ours, tmp_path, store, max_batch_bytes=500_000)
        collect(app, "t", work=work)

        async def host() -> None:
            async with running(app):
                await asyncio.sleep(PATIENCE_SECONDS)

        with pytest.raises(BatchUnreadable, match=text) as caught:
            await host()
    assert caught.value.places == ((TP("t", 0), 77),)
    assert [n for n, _ in store.committed[TP("t", 0)]] == list(range(77))


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
