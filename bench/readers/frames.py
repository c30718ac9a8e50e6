"""Frames: the product's app and transport, with an agent that counts."""

import asyncio
from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import mkdtemp

import faust
from faust.types import TP

from bench.gate import Gate
from bench.readers.probe import Probe
from sealstream.running.collector import spare_what_stays
from sealstream.settings import Settings
from sealstream.wiring import required_kafka
from streams.app import build_app, frame_topic, running
from streams.frames import Frame, FrameConsumer, FrameOptions


class _Positions:
    """From the beginning of each partition, once the gate is open."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._release: asyncio.Task[None] | None = None

    async def __call__(self, consumer: FrameConsumer, tps: Collection[TP]) -> Mapping[TP, int]:
        if self._gate.is_open:
            return await consumer.earliest_offsets(*tps)
        self._gate.assigned(len(tps))
        if self._release is None:
            self._release = asyncio.create_task(self._begin(consumer))
        return {}

    async def _begin(self, consumer: FrameConsumer) -> None:
        await self._gate.opened()
        await consumer.rewind(consumer.assignment())


async def work(settings: Settings, gate: Gate) -> None:
    """Read until cancelled."""
    probe = Probe(gate.directory)
    app = build_app(
        settings.group,
        kafka=required_kafka(settings),
        frames=FrameOptions(
            positions=_Positions(gate),
            budget_bytes=settings.budget_bytes,
            max_frame_records=settings.max_frame_records,
            consumer_options={"fetch_max_wait_ms": int(settings.fetch_max_wait.total_seconds() * 1000)},
        ),
        datadir=Path(mkdtemp(prefix="faust-", dir=".")),
        session_timeout=settings.session_timeout,
    )

    async def count(stream: faust.StreamT[list[object]]) -> None:
        async for event in stream.events():
            frame: Frame = event.message
            probe.chunk(frame.records)

    app.agent(frame_topic(app, *settings.topics_in), name="count")(count)
    async with running(app):
        spare_what_stays()  # as the product's worker
        await asyncio.Event().wait()
