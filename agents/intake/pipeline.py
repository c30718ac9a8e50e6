"""The stages a frame goes through, in order, between the fetch and the commit.

The worker and the reference loop of the benchmarks call this same code. It computes and never waits; `prepare` is
awaited first and sees to what the stages take from the database. A record that makes a stage raise is found by
bisection and rejected; `process`, for the benchmarks, does without.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Final, NamedTuple, TypeVar

from agents.commits.observation import FrameWatch, Observer, TurnClock
from agents.commits.outcomes import FrameOutcome, MessageOutcome
from agents.commits.record_batch import RawRecord, RecordBatch
from agents.intake.bisection import Stage, StageFailed, bisect, failing_in, rejection_for, report
from agents.intake.classification import Classifier
from agents.intake.continuity import record_digest
from agents.intake.door import Intake
from agents.intake.interpretation import Interpreter
from agents.intake.sealing_stage import SealingPasses, SealingStage
from agents.platform.key_lease import KeyLease
from schemas.errors import Rejection
from schemas.identity import position_id
from security.data_key import WrappedDataKey
from security.tier_keys import TierKeysLapsed
from streams.endurance import Part
from streams.storage.ids import IdBlock
from streams.storage.watermarks import Mark, WatermarkStep

PASSES_FOR_EACH_TENANT: Final = 4
"""A frame takes one sealing pass for each of its tenants, and so do the contradictions in a commit; frames are
processed while a commit is under way, each after its own `prepare`."""

RECORDS_AT_ONCE: Final = 256
"""A stage pauses after so many, every 15 to 25 ms. A commit needs a dozen round trips, each of which waits for the
event loop, and small frames of other partitions are processed in the pauses of a large one."""

T = TypeVar("T")
_Made = tuple[list[MessageOutcome], list[WrappedDataKey]]


class _Frame(NamedTuple):
    """A frame in a turn."""

    records: Sequence[RawRecord]
    watch: FrameWatch


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages that depend on registered keys, models and catalogue; replaced as a whole when those change.

    Attributes:
        tenants: How many tenants there are, the platform included.
        registry: Revision of the registries that `intake` judges and `classifier` decides by.
    """

    intake: Intake
    interpreter: Interpreter
    classifier: Classifier
    sealing: SealingStage
    tenants: int
    registry: int


class Pipeline:
    """Everything between the fetch and the commit.

    Args:
        position_key: Keys the digest of a partition's last record.
        lease: Of the tier keys in the stages.
        part: Waits for the database when pass numbers can't be had, and for the key provider when the lease is over.
        observer: Is told how long each stage takes.
    """

    def __init__(
        self,
        cluster: str,
        stages: Stages,
        pass_ids: IdBlock,
        position_key: bytes,
        lease: KeyLease,
        part: Part,
        observer: Observer,
    ) -> None:
        self._cluster = cluster
        self._stages = stages
        self._pass_ids = pass_ids
        self._position_key = position_key
        self._lease = lease
        self._part = part
        self._observer = observer

    def use(self, stages: Stages) -> None:
        """Process the next frames with these stages."""
        self._stages = stages

    async def prepare(self) -> None:
        """Have pass numbers and tier keys, however long the database or the key provider is away.

        Await before `process` and each commit.
        """
        try:
            self._lease.enforce()
        except TierKeysLapsed:
            # Somebody else renews them: `keep_current`.
            await self._part.outlast(self._leased)
        needed = PASSES_FOR_EACH_TENANT * self._stages.tenants
        if self._pass_ids.at_hand < needed:
            await self._part.outlast(lambda: self._pass_ids.refill(needed))

    async def _leased(self) -> None:
        self._lease.enforce()

    async def run(self, batch: RecordBatch) -> FrameOutcome:
        """Take a frame through all stages; in their pauses a commit that is under way goes on.

        Raises:
            Exception: What is no record's fault.
        """
        (outcome,) = await self.run_together([batch])
        return outcome

    async def run_together(self, batches: Sequence[RecordBatch]) -> list[FrameOutcome]:
        """Take frames through all stages in one turn; each has sealing passes of its own, so it can be committed alone.

        Raises:
            Exception: What is no record's fault.
        """
        registry = self._stages.registry  # at the beginning; when it changes on the way, the commit will notice
        frames = [_Frame(batch.records, self._observer.frame(batch)) for batch in batches]
        outcomes = []
        for batch, frame, (messages, keys) in zip(batches, frames, await self._processed(frames), strict=True):
            if batch.unreadable:
                await self.prepare()
                keys += self._pass_over(batch, messages)
            outcomes.append(FrameOutcome(self._step(batch), messages, keys, registry, frame.watch))
        return outcomes

    async def condemned(self, batch: RecordBatch, failure: StageFailed, *, verified: bool) -> FrameOutcome:
        """A frame of one record, rejected because the commit failed on it.

        Args:
            verified: As the message it is, with its name and owner; otherwise as one that claims nothing.
        """
        await self.prepare()
        (record,) = batch.records
        registry = self._stages.registry
        messages, keys = self._rejected(record, failure, verified=verified)
        if batch.unreadable:
            keys += self._pass_over(batch, messages)
        return FrameOutcome(self._step(batch), messages, keys, registry, self._observer.frame(batch))

    async def _processed(self, frames: Sequence[_Frame]) -> list[_Made]:
        if len(frames) > 1:
            with suppress(StageFailed):  # whose fault it is, is found frame by frame
                return await self._turn(frames)
        return [await self._bisected(frame) for frame in frames]

    async def _bisected(self, frame: _Frame) -> _Made:
        async def attempt(records: Sequence[RawRecord]) -> _Made:
            (made,) = await self._turn([_Frame(records, frame.watch)])
            return made

        messages: list[MessageOutcome] = []
        keys: list[WrappedDataKey] = []
        if frame.records:
            for made, made_keys in await bisect(frame.records, attempt, self._condemn):
                messages += made
                keys += made_keys
        return messages, keys

    async def _turn(self, frames: Sequence[_Frame]) -> list[_Made]:
        while True:
            await self.prepare()
            with suppress(TierKeysLapsed):  # in a pause between sealed and unsealed: the turn begins anew, with others
                return await self._through(frames)

    async def _through(self, frames: Sequence[_Frame]) -> list[_Made]:
        clock = TurnClock()
        verified: list[list[MessageOutcome]] = []
        for frame in frames:
            verified.append(messages := [])
            await self._each(frame.records, lambda some: messages.extend(self._verified(some)), clock)
        everything = list(chain.from_iterable(verified))
        clock.mark()
        await clock.leave_out(asyncio.sleep(0))
        await self._each(everything, self._interpreted, clock)
        clock.mark()
        self._classified(everything)
        clock.mark()
        made: list[_Made] = []
        for messages in verified:
            await clock.leave_out(self._breathe())
            sealing = self._stages.sealing.begin()
            await self._each(messages, partial(self._sealed, sealing), clock)
            made.append((messages, sealing.data_keys()))
        clock.mark()
        marks = clock.marks()
        for frame in frames:
            frame.watch.turn(len(frame.records), marks.share(len(frame.records), len(everything)))
        return made

    async def _each(self, items: Sequence[T], work: Callable[[Sequence[T]], None], clock: TurnClock) -> None:
        """Work on all items, in order, with pauses."""
        for start in range(0, len(items), RECORDS_AT_ONCE):
            if start:
                await clock.leave_out(self._breathe())
            work(items[start : start + RECORDS_AT_ONCE])

    async def _breathe(self) -> None:
        await asyncio.sleep(0)
        # Others may have taken pass numbers meanwhile, and the tier keys' time may have run out.
        await self.prepare()

    async def _condemn(self, record: RawRecord, failure: StageFailed) -> _Made:
        report(failure, record.topic, record.partition, record.offset)
        if failure.stage is not Stage.INTAKE:
            await self.prepare()
            try:
                return self._rejected(record, failure, verified=True)
            except StageFailed as exc:
                failure = exc
        await self.prepare()
        return self._rejected(record, failure, verified=False)

    def _rejected(self, record: RawRecord, failure: StageFailed, *, verified: bool) -> _Made:
        stages = self._stages
        rejection = rejection_for(failure)
        with failing_in(Stage.INTAKE):
            message = stages.intake.verify([record])[0] if verified else stages.intake.refused(record, rejection)
        message.rejection = message.rejection or rejection
        with failing_in(Stage.SEALING):
            return [message], stages.sealing.seal([message])

    def process(self, batch: RecordBatch) -> FrameOutcome:
        """Take a frame through all stages at once."""
        watch, clock = self._observer.frame(batch), TurnClock()
        messages = self._verified(batch.records)
        clock.mark()
        self._interpreted(messages)
        clock.mark()
        self._classified(messages)
        clock.mark()
        sealing = self._stages.sealing.begin()
        self._sealed(sealing, messages)
        clock.mark()
        watch.turn(len(batch.records), clock.marks())
        keys = sealing.data_keys()
        if batch.unreadable:
            keys += self._pass_over(batch, messages)
        return FrameOutcome(self._step(batch), messages, keys, self._stages.registry, watch)

    def _verified(self, records: Sequence[RawRecord]) -> list[MessageOutcome]:
        with failing_in(Stage.INTAKE):
            return self._stages.intake.verify(records)

    def _interpreted(self, messages: Sequence[MessageOutcome]) -> None:
        interpret = self._stages.interpreter.interpret
        with failing_in(Stage.INTERPRETATION):
            for message in messages:
                interpret(message)

    def _classified(self, messages: Sequence[MessageOutcome]) -> None:
        with failing_in(Stage.INFERENCE):
            self._stages.classifier.classify(messages)

    def _sealed(self, sealing: SealingPasses, messages: Sequence[MessageOutcome]) -> None:
        with failing_in(Stage.SEALING):
            sealing.seal(messages)

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
