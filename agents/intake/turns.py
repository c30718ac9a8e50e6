"""Small frames that come faster than they are processed go through the stages together, and so into one commit.

Most of what a frame of a few records costs is the same for one of many: a call of the engine, a commit, a turn of the
event loop for each of its steps.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agents.commits.outcomes import FrameOutcome
from agents.commits.record_batch import RecordBatch
from agents.intake.pipeline import RECORDS_AT_ONCE, Pipeline

GATHER_SECONDS: Final = 0.001
"""How long the first of them waits for the others: frames of one fetch come one by one through Faust."""


@dataclass(slots=True)
class _Waiting:
    batch: RecordBatch
    done: asyncio.Future[FrameOutcome]


class SharedTurns:
    """Takes frames through a pipeline: a large one in a turn of its own, small ones with all others that are waiting.

    A large frame gives the event loop back in its pauses, in which turns of small ones are processed.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._waiting: list[_Waiting] = []
        self._working: asyncio.Task[None] | None = None

    async def outcome(self, batch: RecordBatch, *, alone: bool = False) -> FrameOutcome:
        """Wait until a frame is processed.

        Args:
            alone: Its fetch brought no other, for which it would have to wait.

        Raises:
            Exception: What is no record's fault; whoever shared the turn is told the same.
        """
        if len(batch.records) >= RECORDS_AT_ONCE:
            return await self._pipeline.run(batch)
        each = _Waiting(batch, asyncio.get_running_loop().create_future())
        self._waiting.append(each)
        if self._working is None:
            self._working = asyncio.create_task(self._work(0.0 if alone else GATHER_SECONDS), name="shared-turns")
        return await each.done

    async def _work(self, gather_seconds: float) -> None:
        """Take turns until nobody waits."""
        try:
            await asyncio.sleep(gather_seconds)
            while self._waiting:
                await self._turn(self._take())
        finally:
            self._working = None

    async def _turn(self, taken: Sequence[_Waiting]) -> None:
        try:
            outcomes = await self._pipeline.run_together([each.batch for each in taken])
        except Exception as exc:
            for each in taken:
                if not each.done.done():  # it may have been cancelled
                    each.done.set_exception(exc)
        else:
            # In one step: whoever submits them to the committer now does so before it looks.
            for each, outcome in zip(taken, outcomes, strict=True):
                if not each.done.done():
                    each.done.set_result(outcome)

    def _take(self) -> list[_Waiting]:
        """Those that wait, up to as many records as the loop is held for."""
        records, count = 0, 0
        for each in self._waiting:
            records += len(each.batch.records)
            count += 1
            if records >= RECORDS_AT_ONCE:
                break
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken
