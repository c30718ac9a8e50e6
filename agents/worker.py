"""The intake worker: a Faust agent that takes frames through the pipeline and acks what is committed."""

import asyncio
from collections.abc import AsyncIterator, Collection, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Final, cast

import faust
import structlog
from faust.types import TP

from agents.committer import GroupCommitter
from agents.intake import RawRecord
from agents.pipeline import Pipeline, RecordBatch
from streams.app import frame_topic
from streams.frames import Frame, FrameConsumer
from streams.storage.database import Database
from streams.storage.watermarks import read_positions

log = structlog.get_logger(__name__)

MAX_FRAMES_AT_ONCE: Final = 16
"""Frames of different partitions in work at once: while one waits for its commit, the next ones are computed."""


class Progress:
    """Where each partition is to be read on, by PostgreSQL's word; remembers which ones had no position yet."""

    def __init__(self, database: Database, group: str, cluster: str) -> None:
        self._database = database
        self._group = group
        self._cluster = cluster
        self._fresh: set[TP] = set()

    async def positions(self, consumer: FrameConsumer, tps: Collection[TP]) -> Mapping[TP, int]:
        """Stored positions; a partition without one starts at its earliest record."""
        async with self._database.session() as connection:
            stored = await read_positions(connection, self._group, self._cluster, list(tps))
        missing = [tp for tp in tps if tuple(tp) not in stored]
        earliest = await consumer.earliest_offsets(*missing) if missing else {}
        self._fresh = (self._fresh - set(tps)) | set(missing)
        return {TP(*place): offset for place, offset in stored.items()} | dict(earliest)

    def is_fresh(self, tp: TP) -> bool:
        """Whether the next commit is the partition's first ever."""
        return tp in self._fresh

    def committed(self, tp: TP) -> None:
        """The partition has a stored position now."""
        self._fresh.discard(tp)


class IntakeWorker:
    """Processes frames of the inbound topics."""

    def __init__(self, pipeline: Pipeline, committer: GroupCommitter, progress: Progress) -> None:
        self._pipeline = pipeline
        self._committer = committer
        self._progress = progress

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
        outcome = await self._pipeline.run(
            RecordBatch(
                frame.tp.topic,
                frame.tp.partition,
                frame.first,
                frame.next,
                self._progress.is_fresh(frame.tp),
                frame.records,
            )
        )
        if not frame.current:
            return True  # revoked meanwhile: its new owner reads it
        committed = await self._committer.submit(outcome)
        if committed:
            self._progress.committed(frame.tp)
        else:
            log.warning("intake.compare_and_set_lost", topic=frame.tp.topic, partition=frame.tp.partition)
        return committed


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
