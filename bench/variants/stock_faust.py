"""What the stock Faust variants share: the app, the gate, a Kafka record out of a Faust message, and the commit."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import groupby
from tempfile import mkdtemp
from typing import cast

import faust
from faust.types import TP, EventT, Message

from agents.commits.outcomes import FrameOutcome
from agents.commits.record_batch import RecordBatch
from bench.gate import Gate
from bench.variants.stages import Stages
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


async def run(app: faust.App, place: Callable[[Sequence[TP]], Awaitable[object]], gate: Gate) -> None:
    """Run the app until cancelled or crashed; nothing is delivered before the gate is open.

    Args:
        place: Awaited with each assignment.
    """

    @app.on_partitions_assigned.connect(weak=False)
    async def on_assigned(_: faust.App, assigned: Collection[TP], **kwargs: object) -> None:
        await place(list(assigned))
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


async def process(stages: Stages, events: Sequence[EventT[bytes]]) -> list[FrameOutcome]:
    """Take events through the stages, those of each partition as one batch."""
    records = sorted([raw_record(event.message) for event in events], key=_position)
    outcomes = []
    for place, group in groupby(records, key=_place):
        batch = list(group)
        await stages.pipeline.prepare()
        outcomes.append(
            stages.pipeline.process(
                RecordBatch(*place, batch[0].offset, batch[-1].offset + 1, place in stages.watermarks.fresh, batch)
            )
        )
        stages.watermarks.fresh.discard(place)
        await asyncio.sleep(0)  # lets a commit that is under way move on
    return outcomes


async def commit(app: faust.App, stages: Stages, outcomes: Sequence[FrameOutcome]) -> None:
    """Commit, and read partitions again whose watermark stood elsewhere, from where PostgreSQL says."""
    won = await stages.committer.commit(outcomes)
    lost = {outcome.step.place for outcome in outcomes} - won
    for place, position in (await stages.watermarks.read(lost)).items() if lost else ():
        await app.consumer.seek(TP(*place), position)


def _place(record: FaustRecord) -> tuple[str, int]:
    return record.topic, record.partition


def _position(record: FaustRecord) -> tuple[str, int, int]:
    return record.topic, record.partition, record.offset
