"""Bisection by itself: which items are condemned, what becomes of the others, how many attempts it takes."""

import asyncio
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.intake.bisection import Stage, StageFailed, bisect, failing_in, rejection_for
from schemas.errors import StorageError
from schemas.reasons import Reason


class Work:
    """Fails on lists that hold a culprit."""

    def __init__(self, culprits: set[int]) -> None:
        self.culprits = culprits
        self.attempts = 0
        self.condemned: list[int] = []

    async def attempt(self, items: Sequence[int]) -> list[int]:
        self.attempts += 1
        if self.culprits.intersection(items):
            raise StageFailed(Stage.SEALING, ValueError())
        return list(items)

    async def condemn(self, item: int, failure: StageFailed) -> list[int]:
        self.condemned.append(item)
        return [-item]


@given(st.integers(1, 200).flatmap(lambda size: st.tuples(st.just(size), st.sets(st.integers(1, size), max_size=8))))
def test_exactly_the_culprits_are_condemned_and_order_is_kept(case: tuple[int, set[int]]) -> None:
    size, culprits = case
    work = Work(culprits)
    items = range(1, size + 1)
    made = [each for part in asyncio.run(bisect(items, work.attempt, work.condemn)) for each in part]
    assert made == [-item if item in culprits else item for item in items]
    assert set(work.condemned) == culprits
    assert work.attempts <= 1 + 2 * len(culprits) * math.ceil(math.log2(size) + 1)


@pytest.mark.parametrize(
    "error", [StorageError("away"), MemoryError(), ConnectionResetError(), asyncio.CancelledError()]
)
async def test_what_is_no_record_s_fault_is_not_bisected(error: BaseException) -> None:
    attempts = 0

    async def attempt(items: Sequence[int]) -> None:
        nonlocal attempts
        attempts += 1
        with failing_in(Stage.INFERENCE):
            raise error

    async def condemn(item: int, failure: StageFailed) -> None:
        raise AssertionError("nobody is to blame")

    with pytest.raises(type(error)):
        await bisect(range(8), attempt, condemn)
    assert attempts == 1


@pytest.mark.parametrize(
    ("stage", "reason"),
    [(stage, Reason.INFERENCE_FAILED if stage is Stage.INFERENCE else Reason.PROCESSING_FAILED) for stage in Stage],
)
def test_a_condemned_record_s_reason_says_whose_fault_it_is_not(stage: Stage, reason: Reason) -> None:
    failure = StageFailed(stage, ValueError("DE89370400440532013000"))
    rejection = rejection_for(failure)
    assert rejection.reason is reason
    assert rejection.detail == f"the {stage} stage raised ValueError"
