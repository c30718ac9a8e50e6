"""Outlasting outages: the pauses, and what the health says meanwhile."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import StorageError, Unavailable
from streams.endurance import FIRST_PAUSE, LONGEST_PAUSE, Part, pause_seconds
from streams.health import Health, State


class Time:
    """A clock that only moves while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Server:
    """Fails so many times, and says what the health was when it was asked."""

    def __init__(self, health: Health, failures: int, error: Exception | None = None) -> None:
        self._health = health
        self._left = failures
        self._error = error or Unavailable("away")
        self.seen: list[State] = []

    async def ask(self) -> str:
        self.seen.append(self._health.parts()["database"].state)
        self._left -= 1
        if self._left >= 0:
            raise self._error
        return "answer"


def part(health: Health, time: Time, chance: float = 1.0) -> Part:
    return Part(health, "database", sleep=time.sleep, clock=time, chance=lambda: chance)


async def test_an_outage_is_outlasted_and_the_health_says_so() -> None:
    health, time = Health(["database"]), Time()
    server = Server(health, failures=3)
    assert await part(health, time).outlast(server.ask) == "answer"
    assert server.seen == [State.STARTING, State.WAITING, State.WAITING, State.WAITING]
    assert health.ready
    assert time.slept == sorted(time.slept)
    assert len(time.slept) == 3


async def test_an_error_that_does_not_pass_is_raised_at_once() -> None:
    health, time = Health(["database"]), Time()
    with pytest.raises(StorageError):
        await part(health, time).outlast(Server(health, failures=1, error=StorageError("not migrated")).ask)
    assert time.slept == []
    assert not health.ready


async def test_many_that_meet_one_outage_do_not_make_each_other_wait_longer() -> None:
    health, time = Health(["database"]), Time()
    shared = part(health, time)
    for _ in range(16):
        time.now = 0.0
        await shared.outlast(Server(health, failures=1).ask)
    assert set(time.slept) == {FIRST_PAUSE}


async def test_a_second_outage_begins_with_short_pauses_again() -> None:
    health, time = Health(["database"]), Time()
    shared = part(health, time)
    await shared.outlast(Server(health, failures=8).ask)
    longest = max(time.slept)
    time.slept.clear()
    await shared.outlast(Server(health, failures=1).ask)
    assert time.slept == [FIRST_PAUSE] != [longest]


async def test_work_without_an_end_says_itself_when_it_works() -> None:
    health, time = Health(["relay"]), Time()
    relay = Part(health, "relay", sleep=time.sleep, clock=time, chance=lambda: 1.0)
    states = []

    async def work() -> None:
        states.append(health.parts()["relay"].state)
        if len(states) == 1:
            raise Unavailable("no broker")
        relay.working()
        states.append(health.parts()["relay"].state)

    await relay.keep_going(work)
    assert states == [State.STARTING, State.WAITING, State.WORKING]


async def test_work_that_is_cancelled_while_it_fails_ends() -> None:
    """A task group whose child fails at that very moment raises the failure, and the cancellation is lost."""
    health, attempts, fail = Health(["database"]), 0, asyncio.Event()

    async def beat() -> None:
        await fail.wait()
        raise Unavailable("the session has ended")

    async def work() -> None:
        nonlocal attempts
        attempts += 1
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(beat())
                await asyncio.sleep(3600)
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    task = asyncio.create_task(part(health, Time()).keep_going(work))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    fail.set()
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=30)
    task.cancel()
    assert done, "whoever cancelled it would wait for ever"
    assert task.cancelled()
    assert attempts == 1


async def test_what_gave_up_says_why() -> None:
    health = Health(["relay"])
    Part(health, "relay").failed(StorageError("the log contradicts itself"))
    assert health.parts()["relay"].why == "the log contradicts itself"
    assert not health.alive


@given(st.floats(0, 1e6), st.floats(0, 1))
def test_a_pause_is_never_none_and_never_too_long(failing_for: float, chance: float) -> None:
    assert FIRST_PAUSE / 2 <= pause_seconds(failing_for, chance) <= LONGEST_PAUSE
    assert pause_seconds(failing_for, 0) <= pause_seconds(failing_for, chance) <= 2 * pause_seconds(failing_for, 0)
