"""The reference loop: what somebody who knows aiokafka and asyncpg would write by hand around the same stages."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener

from agents.commits.outcomes import FrameOutcome
from agents.commits.record_batch import RecordBatch
from bench.gate import Gate
from bench.variants import REFERENCE
from bench.variants.stages import Stages, Watermarks, open_stages
from bench.variants.tuned import Tuned, tuned_for
from sealstream.settings import Settings
from sealstream.wiring import required_bootstrap
from streams.storage.watermarks import Partition


class _Placement(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Begins every assigned partition where PostgreSQL says."""

    def __init__(self, consumer: AIOKafkaConsumer, watermarks: Watermarks, gate: Gate) -> None:
        self._consumer = consumer
        self._watermarks = watermarks
        self._gate = gate

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """The watermarks' compare-and-set is the fence."""

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        await place(self._consumer, self._watermarks, assigned)
        self._gate.assigned(len(assigned))


async def place(consumer: AIOKafkaConsumer, watermarks: Watermarks, tps: Collection[TopicPartition]) -> None:
    """Seek partitions to their stored positions, or to their beginning."""
    stored = await watermarks.read([tuple(tp) for tp in tps])
    starts = await consumer.beginning_offsets(list(tps))
    for tp in tps:
        consumer.seek(tp, stored.get(tuple(tp), starts[tp]))


class Loop:
    """Reads, processes, and commits what is processed while the next is."""

    def __init__(self, consumer: AIOKafkaConsumer, stages: Stages, tuned: Tuned) -> None:
        self._consumer = consumer
        self._tuned = tuned
        self._stages = stages
        self._committing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            wait_ms = int(self._tuned.within_seconds * 1000)
            fetched = await self._consumer.getmany(timeout_ms=wait_ms, max_records=self._tuned.batch)
            outcomes = await self._process(fetched)
            if self._committing is not None:
                await self._committing
            self._committing = asyncio.create_task(self._commit(outcomes)) if outcomes else None

    async def _process(self, fetched: dict[TopicPartition, list[ConsumerRecord]]) -> list[FrameOutcome]:
        outcomes: list[FrameOutcome] = []
        for tp, records in fetched.items():
            await self._stages.pipeline.prepare()
            batch = RecordBatch(
                tp.topic,
                tp.partition,
                records[0].offset,
                records[-1].offset + 1,
                tuple(tp) in self._stages.watermarks.fresh,
                records,
            )
            self._stages.watermarks.fresh.discard(tuple(tp))
            outcomes.append(self._stages.pipeline.process(batch))
            await asyncio.sleep(0)  # lets the commit of the last batch move on
        return outcomes

    async def _commit(self, outcomes: list[FrameOutcome]) -> None:
        won: set[Partition] = await self._stages.committer.commit(outcomes)
        lost = [TopicPartition(*outcome.step.place) for outcome in outcomes if outcome.step.place not in won]
        if lost:
            await place(self._consumer, self._stages.watermarks, lost)


async def work(settings: Settings, gate: Gate) -> None:
    """Run the loop."""
    async with open_stages(settings) as stages, _consumer(settings) as consumer:
        consumer.subscribe(settings.topics_in, listener=_Placement(consumer, stages.watermarks, gate))
        await gate.opened()
        await Loop(consumer, stages, tuned_for(gate.directory, REFERENCE)).run()


@asynccontextmanager
async def _consumer(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    session_ms = int(settings.session_timeout.total_seconds() * 1000)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=required_bootstrap(settings),
        group_id=settings.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        session_timeout_ms=session_ms,
        heartbeat_interval_ms=session_ms // 3,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()
