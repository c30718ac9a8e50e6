"""What both stock Faust variants share: the app, the gate, and a Kafka record out of a Faust message."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from tempfile import mkdtemp
from typing import cast

import faust
from faust.types import TP, Message

from bench.gate import Gate
from bench.variants.stages import Watermarks
from sealstream.settings import Settings
from sealstream.wiring import required_bootstrap

Headers = Sequence[tuple[str, bytes | None]]


@dataclass(slots=True)
class FaustRecord:
    """What the stages take, in place of aiokafka's own record, which Faust keeps to itself."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def raw_record(message: Message) -> FaustRecord:
    """The record of a message. An event's own ``headers`` are a dict, which loses repeats; the message has them all."""
    return FaustRecord(
        message.topic,
        message.partition,
        message.offset,
        round(message.timestamp * 1000),
        message.timestamp_type or 0,
        message.key,
        message.value,
        cast(Headers, message.headers or ()),
    )


def build_app(settings: Settings) -> faust.App:
    """An app on the stock transport. Besides the broker only what keeps Faust off other topics, ports and files."""
    session = settings.session_timeout.total_seconds()
    return faust.App(
        settings.group,
        broker=f"kafka://{required_bootstrap(settings)}",
        broker_session_timeout=session,
        broker_heartbeat_interval=session / 3,
        store="memory://",
        datadir=mkdtemp(prefix="faust-", dir="."),  # the worker's own directory goes with the run
        autodiscover=False,
        web_enabled=False,
        topic_disable_leader=True,
        worker_redirect_stdouts=False,
        key_serializer="raw",
        value_serializer="raw",
    )


async def run(app: faust.App, watermarks: Watermarks, gate: Gate) -> None:
    """Run the app until cancelled or crashed; nothing is delivered before the gate is open."""

    @app.on_partitions_assigned.connect(weak=False)
    async def on_assigned(_: faust.App, assigned: Collection[TP], **kwargs: object) -> None:
        await watermarks.read([(tp.topic, tp.partition) for tp in assigned])
        gate.assigned(len(assigned))

    @app.on_rebalance_complete.connect(weak=False)
    async def hold(_: faust.App, **kwargs: object) -> None:
        await gate.opened()  # Faust resumes the flow after this signal

    try:
        await app.start()
        await app.wait_until_stopped()
        if app.crash_reason is not None:
            raise app.crash_reason
    finally:
        await app.stop()


@asynccontextmanager
async def crashing(app: faust.App) -> AsyncIterator[None]:
    """Let an error within an agent crash the app; by itself Faust would go on with the next record."""
    try:
        yield
    except Exception as exc:
        await app.crash(exc)
        raise
