"""This pipeline: the product's intake worker as it is; only its first positions wait for the gate."""

import asyncio
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from faust.types import TP

from agents.intake.progress import Progress
from bench.gate import Gate
from sealstream.running.roles import intake
from sealstream.running.workers import Role, run_worker
from sealstream.settings import Settings
from streams.frames import FrameConsumer


class HeldProgress(Progress):
    """Tells no position before the gate is open: a partition without one is assigned but not read."""

    def __init__(self, gate: Gate, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._gate = gate
        self._release: asyncio.Task[None] | None = None

    async def positions(self, consumer: FrameConsumer, tps: Collection[TP]) -> Mapping[TP, int]:
        """Positions once the gate is open, nothing before."""
        if self._gate.is_open:
            return await super().positions(consumer, tps)
        self._gate.assigned(len(tps))
        if self._release is None:
            self._release = asyncio.create_task(self._begin(consumer))
        return {}

    async def _begin(self, consumer: FrameConsumer) -> None:
        await self._gate.opened()
        await consumer.rewind(consumer.assignment())


async def work(settings: Settings, gate: Gate) -> None:
    """Run the worker of the product."""
    # The one thing changed in it; were it called otherwise one day, no partition would be reported and the run fail.
    intake.Progress = partial(HeldProgress, gate)  # type: ignore[attr-defined, assignment]
    await run_worker(settings, {Role.INTAKE}, on_ready=lambda _: None)
