"""Hand-tuned Quix Streams: its batching sink takes each partition's records as a frame; one commit for all of them.

Quix processes record by record; everything that is done to a record waits for the sink's flush, where the stages get
frames. The flush blocks the application until the commit is durable: only then may the checkpoint commit offsets.
"""

from collections.abc import Collection, Sequence
from typing import Final, cast

from quixstreams.sinks.base import BatchingSink, SinkBatch
from quixstreams.sinks.base.item import SinkItem

from agents.commits.outcomes import FrameOutcome
from agents.commits.record_batch import RecordBatch
from bench.gate import Gate
from bench.variants import QUIX
from bench.variants.quix_app import LoopThread, build_application, run
from bench.variants.stages import Stages, open_stages
from bench.variants.stock_faust import FaustRecord, Headers
from bench.variants.tuned import tuned_for
from sealstream.settings import Settings
from streams.storage.watermarks import Partition

POLL_SECONDS: Final = 0.05
"""Quix looks whether a checkpoint is due after each poll; its default of 1 s would be added to every idle one."""

CREATE_TIME: Final = 0


class StageSink(BatchingSink):
    """Writes what a checkpoint covers: all partitions in one transaction."""

    def __init__(self, stages: Stages, loop: LoopThread) -> None:
        super().__init__()
        self._stages = stages
        self._loop = loop
        self._positions: dict[Partition, int] = {}

    def assigned(self, places: Collection[Partition]) -> None:
        """Learn where PostgreSQL stands; Kafka's offsets, from which Quix reads, may be behind it."""
        self._positions = dict(self._loop.wait(self._stages.watermarks.read(places)))

    def flush(self) -> None:
        """Take all batches through the stages, and commit them."""
        batches, self._batches = self._batches, {}
        if batches:
            self._loop.wait(self._write(list(batches.values())))

    def write(self, batch: SinkBatch) -> None:
        """One partition alone would be a commit for each partition."""
        raise NotImplementedError("`flush` writes all partitions at once")

    async def _write(self, batches: Sequence[SinkBatch]) -> None:
        outcomes = [outcome for batch in batches if (outcome := await self._process(batch))]
        if not outcomes:
            return
        won = await self._stages.committer.commit(outcomes)
        lost = {outcome.step.place for outcome in outcomes} - won
        if lost:
            # Somebody else moved them: end, and begin anew with the next assignment.
            raise RuntimeError(f"{len(lost)} partitions were moved by another worker")
        self._positions.update({outcome.step.place: outcome.step.to_offset for outcome in outcomes})

    async def _process(self, batch: SinkBatch) -> FrameOutcome | None:
        place = batch.topic, batch.partition
        first = self._positions.get(place, batch.start_offset)
        records = [_record(place, item) for item in batch if item.offset >= first]
        if not records:
            return None
        fresh = self._stages.watermarks.fresh
        await self._stages.pipeline.prepare()
        outcome = self._stages.pipeline.process(
            RecordBatch(*place, first, records[-1].offset + 1, place in fresh, records)
        )
        fresh.discard(place)
        return outcome


def _record(place: Partition, item: SinkItem) -> FaustRecord:
    # Quix hands on a timestamp and not what kind it is.
    return FaustRecord(
        *place, item.offset, item.timestamp, CREATE_TIME, item.key, item.value, cast(Headers, item.headers or ())
    )


async def work(settings: Settings, gate: Gate) -> None:
    """Run the application."""
    tuned = tuned_for(gate.directory, QUIX)
    async with open_stages(settings) as stages:
        sink = StageSink(stages, LoopThread())
        application = build_application(
            settings,
            commit_every=tuned.batch,
            commit_interval=tuned.within_seconds,
            consumer_poll_timeout=POLL_SECONDS,
        )
        application.behind(gate, sink.assigned)
        for name in settings.topics_in:
            topic = application.topic(name, key_deserializer="bytes", value_deserializer="bytes")
            application.dataframe(topic).sink(sink)
        await run(application)
