"""The intake worker: a Faust agent that takes frames through the pipeline and acks what is committed."""

import asyncio
from collections.abc import AsyncIterator, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import Final, cast

import faust
import structlog

from agents.commits.outcomes import FrameOutcome
from agents.commits.record_batch import RawRecord, RecordBatch
from agents.intake.bisection import StageFailed, report
from agents.intake.committer import GroupCommitter
from agents.intake.pipeline import Pipeline
from agents.intake.progress import Progress
from agents.intake.turns import SharedTurns
from streams.app import frame_topic
from streams.frames import Frame, FrameConsumer

log = structlog.get_logger(__name__)

MAX_FRAMES_AT_ONCE: Final = 16
"""Frames of different partitions in work at once: while one waits for its commit, the next ones are computed."""


class IntakeWorker:
    """Processes frames of the inbound topics."""

    def __init__(self, pipeline: Pipeline, committer: GroupCommitter, progress: Progress) -> None:
        self._pipeline = pipeline
        self._committer = committer
        self._progress = progress
        self._turns = SharedTurns(pipeline)

    def attach(self, app: faust.App, topics: Collection[str]) -> None:
        """Declare the agent on the app: frames of all inbound topics, several of them in work at once."""

        async def intake(stream: faust.StreamT[list[RawRecord]]) -> None:
            async for event in stream.events():
                frame: Frame = event.message
                if not await self.handle(frame):
                    await cast(FrameConsumer, app.consumer).rewind([frame.tp])

        app.agent(frame_topic(app, *topics), name="intake", concurrency=MAX_FRAMES_AT_ONCE)(intake)

    async def handle(self, frame: Frame) -> bool:
        """Process and commit one frame; False when the partition has to be read again from its stored position."""
        if not frame.current:
            return True  # waited for an agent while its partition was placed anew
        batch = self._progress.batch(frame)
        outcome = await self._turns.outcome(batch, alone=not frame.beside)
        if not frame.current:
            return True  # revoked meanwhile: its new owner reads it
        committed = await self._store(batch, outcome)
        if committed:
            self._progress.committed(frame.tp)
        else:
            log.warning("intake.compare_and_set_lost", topic=frame.tp.topic, partition=frame.tp.partition)
        return committed

    async def _store(self, batch: RecordBatch, outcome: FrameOutcome) -> bool:
        """Commit a processed frame; what the commit fails on is found by bisection, each part processed anew."""
        try:
            return await self._committer.submit(outcome)
        except StageFailed as exc:
            failure = exc
        if not batch.records:
            raise failure  # only what can't be unpacked: nobody is left to blame
        if len(batch.records) == 1:
            return await self._store_condemned(batch, failure)
        for half in batch.halves():
            if not await self._store(half, await self._pipeline.run(half)):
                return False
        return True

    async def _store_condemned(self, batch: RecordBatch, failure: StageFailed) -> bool:
        report(failure, batch.topic, batch.partition, batch.records[0].offset)
        try:
            return await self._committer.submit(await self._pipeline.condemned(batch, failure, verified=True))
        except StageFailed:
            # Its own name, type or source may be what can't be stored.
            return await self._committer.submit(await self._pipeline.condemned(batch, failure, verified=False))


@asynccontextmanager
async def beside(work: Coroutine[None, None, None], name: str) -> AsyncIterator[None]:
    """Run endless work beside the body, and end it afterwards. If the work fails, the body is cancelled.

    Raises:
        Exception: What the work or the body raised.
    """
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(work, name=name)
            try:
                yield
            finally:
                task.cancel()
    except BaseExceptionGroup as failures:
        # One thing went wrong; what is cancelled in consequence is not part of the group.
        raise failures.exceptions[0] from None
