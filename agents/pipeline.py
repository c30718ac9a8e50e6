"""The stages a frame goes through, in order, between the fetch and the commit.

The worker and the reference loop of the benchmarks call this same code. It computes and never waits; `prepare` is
awaited first and sees to what the stages take from the database.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final
from uuid import UUID

from agents.classification import Classifier
from agents.continuity import record_digest
from agents.intake import Intake, RawRecord
from agents.interpretation import Interpreter
from agents.observation import FrameWatch, Observer, TurnMarks
from agents.outcomes import FrameOutcome, MessageOutcome
from agents.sealing_stage import SealingStage
from schemas.errors import Rejection
from schemas.identity import position_id
from security.data_key import WrappedDataKey
from streams.frames import UnreadableBatch
from streams.storage.ids import IdBlock
from streams.storage.watermarks import Mark, WatermarkStep

PASSES_FOR_EACH_TENANT: Final = 4
"""A frame takes one sealing pass for each of its tenants, and so do the contradictions in a commit; frames are
processed while a commit is under way, each after its own `prepare`."""

RECORDS_A_TURN: Final = 64
"""A commit needs a dozen round trips, each of which waits for the event loop: turns of some 15 ms let it overlap with
the next frames, at the price of one sealing pass and one call of the engine a turn."""


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """The records of one partition that one fetch brought, and the positions before and after them.

    Attributes:
        unreadable: What stands between them and can't be unpacked.
        topic_id: Of the topic, where the broker tells it.
        leader_epoch: Of the last record, likewise.
        era: Of the watermark.
    """

    topic: str
    partition: int
    first: int
    next: int
    first_ever: bool
    records: Sequence[RawRecord]
    unreadable: Sequence[UnreadableBatch] = ()
    topic_id: UUID | None = None
    leader_epoch: int | None = None
    era: int = 0


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages that depend on registered keys and catalogue; replaced as a whole when those change.

    Attributes:
        tenants: How many tenants there are, the platform included.
        registry: Revision of the key registry that `intake` judges by.
    """

    intake: Intake
    interpreter: Interpreter
    sealing: SealingStage
    tenants: int
    registry: int


class Pipeline:
    """Everything between the fetch and the commit.

    Args:
        position_key: Keys the digest of a partition's last record.
        observer: Is told how long each stage takes.
    """

    def __init__(
        self,
        cluster: str,
        stages: Stages,
        classifier: Classifier,
        pass_ids: IdBlock,
        position_key: bytes,
        observer: Observer,
    ) -> None:
        self._cluster = cluster
        self._stages = stages
        self._classifier = classifier
        self._pass_ids = pass_ids
        self._position_key = position_key
        self._observer = observer

    def use(self, stages: Stages) -> None:
        """Process the next frames with these stages."""
        self._stages = stages

    async def prepare(self) -> None:
        """Have pass numbers at hand; await before `process` and before each commit."""
        await self._pass_ids.refill(PASSES_FOR_EACH_TENANT * self._stages.tenants)

    async def run(self, batch: RecordBatch) -> FrameOutcome:
        """Take a frame through all stages, in turns: a commit that is under way goes on between them."""
        messages: list[MessageOutcome] = []
        keys: list[WrappedDataKey] = []
        watch = self._observer.frame(batch)
        registry = self._stages.registry  # of the first turn; when it changes on the way, the commit will notice
        for start in range(0, len(batch.records), RECORDS_A_TURN):
            await self.prepare()
            made, made_keys = self._stages_over(batch.records[start : start + RECORDS_A_TURN], watch)
            messages += made
            keys += made_keys
            await asyncio.sleep(0)
        if batch.unreadable:
            await self.prepare()
            keys += self._pass_over(batch, messages)
        return FrameOutcome(self._step(batch), messages, keys, registry, watch)

    def process(self, batch: RecordBatch) -> FrameOutcome:
        """Take a frame through all stages at once."""
        watch = self._observer.frame(batch)
        messages, keys = self._stages_over(batch.records, watch)
        if batch.unreadable:
            keys += self._pass_over(batch, messages)
        return FrameOutcome(self._step(batch), messages, keys, self._stages.registry, watch)

    def _stages_over(
        self, records: Sequence[RawRecord], watch: FrameWatch
    ) -> tuple[list[MessageOutcome], list[WrappedDataKey]]:
        stages = self._stages
        began = perf_counter()
        messages = stages.intake.verify(records)
        verified = perf_counter()
        for message in messages:
            stages.interpreter.interpret(message)
        interpreted = perf_counter()
        self._classifier.classify(messages)
        classified = perf_counter()
        keys = stages.sealing.seal(messages)
        watch.turn(len(records), TurnMarks(began, verified, interpreted, classified, perf_counter()))
        return messages, keys

    def _pass_over(self, batch: RecordBatch, messages: list[MessageOutcome]) -> list[WrappedDataKey]:
        """Put what can't be unpacked among the messages of a batch, sealed in a pass of its own."""
        refused = self._stages.intake.refuse_batches(batch.unreadable)
        keys = self._stages.sealing.seal(refused)
        messages += refused
        messages.sort(key=lambda message: message.place.offset)
        return keys

    def _step(self, batch: RecordBatch) -> WatermarkStep:
        return WatermarkStep(
            batch.topic, batch.partition, batch.first, batch.next, batch.first_ever, self._mark(batch), batch.era
        )

    def refuse(
        self, messages: Sequence[MessageOutcome], rejection: Rejection
    ) -> tuple[list[MessageOutcome], list[WrappedDataKey]]:
        """The rejected forms of verified messages that contradict earlier ones: they may not take those ones' names."""
        places = [message.place for message in messages]
        names = [position_id(self._cluster, each.topic, each.partition, each.offset) for each in places]
        return self._stages.sealing.refuse(messages, names, rejection)

    def _mark(self, batch: RecordBatch) -> Mark:
        if not batch.records:
            return Mark(batch.topic_id)
        last = batch.records[-1]
        return Mark(batch.topic_id, batch.leader_epoch, last.offset, record_digest(self._position_key, last))
