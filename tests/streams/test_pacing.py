import pytest

from streams.pacing import Pacing


class Clock:
    """Time that passes only where a test lets it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.rests: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.rests.append(round(seconds, 6))
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pacing(clock: Clock) -> Pacing:
    return Pacing(lambda: clock.now, clock.sleep)


@pytest.mark.parametrize(("took", "rest"), [(0.002, 0.008), (0.01, 0.04), (0.5, 0.05)])
async def test_a_step_is_followed_by_a_rest_of_its_length_times_four_but_not_a_long_one(
    clock: Clock, pacing: Pacing, took: float, rest: float
) -> None:
    for _ in range(2):
        clock.now += took
        await pacing.rest(found=True, more=False)
    assert clock.rests == [rest, rest]


async def test_a_loop_that_is_behind_does_not_rest(clock: Clock, pacing: Pacing) -> None:
    clock.now += 1
    await pacing.rest(found=True, more=True)
    assert clock.rests == []


async def test_looks_in_vain_come_less_and_less_often_until_there_is_something(clock: Clock, pacing: Pacing) -> None:
    for _ in range(4):
        await pacing.rest(found=False, more=False)
    await pacing.rest(found=True, more=True)
    await pacing.rest(found=False, more=False)
    assert clock.rests == [0.01, 0.02, 0.04, 0.05, 0.01]
