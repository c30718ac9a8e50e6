"""Which frames share a turn of the pipeline. What a turn does is the pipeline's."""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

import pytest

from agents.commits.outcomes import FrameOutcome
from agents.commits.record_batch import RawRecord, RecordBatch
from agents.intake import turns
from agents.intake.pipeline import RECORDS_AT_ONCE, Pipeline
from agents.intake.turns import SharedTurns
from streams.storage.watermarks import Mark, WatermarkStep


class Stages:
    """A pipeline that notes its turns, each of which lasts until it is let go."""

    def __init__(self, *, held: bool = False) -> None:
        self.turns: list[list[int]] = []
        self.go_on = asyncio.Event()
        self.failure: Exception | None = None
        if not held:
            self.go_on.set()

    async def run(self, batch: RecordBatch) -> FrameOutcome:
        (outcome,) = await self.run_together([batch])
        return outcome

    async def run_together(self, batches: Sequence[RecordBatch]) -> list[FrameOutcome]:
        self.turns.append([batch.partition for batch in batches])
        await self.go_on.wait()
        if self.failure is not None:
            raise self.failure
        return [FrameOutcome(WatermarkStep(b.topic, b.partition, 0, 1, True, Mark(None)), [], [], 0) for b in batches]


def frame(partition: int, records: int = 1) -> RecordBatch:
    return RecordBatch("t", partition, 0, records, True, [cast(RawRecord, None)] * records)


def over(stages: Stages) -> SharedTurns:
    return SharedTurns(cast(Pipeline, stages))


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  what a fake was told sets no event
            await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def gathering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long enough for whatever else runs here."""
    monkeypatch.setattr(turns, "GATHER_SECONDS", 0.1)


async def test_small_frames_that_come_together_share_a_turn_and_each_gets_its_own_outcome() -> None:
    stages = Stages()
    shared = over(stages)
    outcomes = await asyncio.gather(*(shared.outcome(frame(n)) for n in range(4)))
    assert stages.turns == [[0, 1, 2, 3]]
    assert [outcome.step.partition for outcome in outcomes] == [0, 1, 2, 3]


async def test_a_frame_that_came_alone_waits_for_no_other() -> None:
    stages = Stages()
    shared = over(stages)
    first = asyncio.create_task(shared.outcome(frame(0), alone=True))
    for _ in range(5):
        await asyncio.sleep(0)
    assert first.done()
    await asyncio.gather(*(shared.outcome(frame(n)) for n in (1, 2)))
    assert stages.turns == [[0], [1, 2]]


async def test_frames_that_come_during_a_turn_share_the_next() -> None:
    stages = Stages(held=True)
    shared = over(stages)
    first = asyncio.create_task(shared.outcome(frame(0)))
    await until(lambda: stages.turns == [[0]])
    others = [asyncio.create_task(shared.outcome(frame(n))) for n in (1, 2)]
    await asyncio.sleep(0)
    stages.go_on.set()
    await asyncio.gather(first, *others)
    assert stages.turns == [[0], [1, 2]]


async def test_after_a_quiet_while_turns_begin_again() -> None:
    stages = Stages()
    shared = over(stages)
    for n in range(2):
        await shared.outcome(frame(n))
        await asyncio.sleep(0)
    assert stages.turns == [[0], [1]]


async def test_a_turn_takes_no_more_frames_than_the_loop_can_be_held_for() -> None:
    stages = Stages()
    shared = over(stages)
    half = RECORDS_AT_ONCE // 2
    await asyncio.gather(*(shared.outcome(frame(n, half)) for n in range(3)))
    assert stages.turns == [[0, 1], [2]]


async def test_a_large_frame_has_a_turn_of_its_own_and_small_ones_go_on_meanwhile() -> None:
    stages = Stages(held=True)
    shared = over(stages)
    large = asyncio.create_task(shared.outcome(frame(0, RECORDS_AT_ONCE)))
    await until(lambda: stages.turns == [[0]])
    small = asyncio.create_task(shared.outcome(frame(1)))
    await until(lambda: stages.turns == [[0], [1]])
    stages.go_on.set()
    await asyncio.gather(large, small)


async def test_whoever_shared_a_turn_that_failed_is_told_and_the_next_ones_are_not() -> None:
    stages = Stages()
    stages.failure = RuntimeError("nobody's fault")
    shared = over(stages)
    told = await asyncio.gather(*(shared.outcome(frame(n)) for n in range(2)), return_exceptions=True)
    assert told == [stages.failure, stages.failure]
    stages.failure = None
    assert (await shared.outcome(frame(2))).step.partition == 2


async def test_one_that_no_longer_waits_keeps_nothing_from_the_others() -> None:
    stages = Stages(held=True)
    shared = over(stages)
    gone, stays = (asyncio.create_task(shared.outcome(frame(n))) for n in range(2))
    await until(lambda: stages.turns == [[0, 1]])
    gone.cancel()
    stages.go_on.set()
    assert (await stays).step.partition == 1
    with pytest.raises(asyncio.CancelledError):
        await gone
