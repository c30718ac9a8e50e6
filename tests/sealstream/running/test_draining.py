"""Ending when told to: what is in work is finished, within a bound, and a second signal is obeyed at once."""

import asyncio
import os
import signal
from collections.abc import Callable
from datetime import timedelta

import pytest

from sealstream.running.draining import ENDED_AT_ONCE, run_until_told

LONG = timedelta(seconds=60)


class ProcessEnd(BaseException):
    """Stands for the end of the process."""

    def __init__(self, code: int) -> None:
        self.code = code


def end(code: int) -> None:
    raise ProcessEnd(code)


def tell(number: signal.Signals = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


class Work:
    """Runs until cancelled, then winds up as long as it takes."""

    def __init__(self, winding_up: Callable[[], object] = lambda: None, seconds: float = 0.0) -> None:
        self._winding_up = winding_up
        self._seconds = seconds
        self.finished = False

    async def run(self) -> None:
        try:
            asyncio.get_running_loop().call_soon(tell)
            await asyncio.Event().wait()
        finally:
            self._winding_up()
            await asyncio.sleep(self._seconds)
            self.finished = True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_work_winds_up_after_a_signal(number: signal.Signals) -> None:
    finished = []

    async def work() -> None:
        try:
            asyncio.get_running_loop().call_soon(tell, number)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            finished.append(True)

    await run_until_told(work(), LONG, end)
    assert finished == [True]


async def test_the_bound_ends_the_process() -> None:
    work = Work(seconds=60)
    with pytest.raises(ProcessEnd) as ended:
        await run_until_told(work.run(), timedelta(0), end)
    assert ended.value.code == ENDED_AT_ONCE
    assert not work.finished


async def test_a_second_signal_ends_the_process_at_once() -> None:
    codes: list[int] = []
    work = Work(winding_up=tell, seconds=0.2)
    await run_until_told(work.run(), LONG, codes.append)
    assert codes == [ENDED_AT_ONCE]


async def test_work_that_fails_or_ends_by_itself_is_not_waited_for() -> None:
    async def fail() -> None:
        raise ValueError

    async def nothing() -> None:
        pass

    with pytest.raises(ValueError):
        await run_until_told(fail(), LONG, end)
    await run_until_told(nothing(), LONG, end)


async def test_an_error_in_winding_up_is_raised() -> None:
    def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError):
        await run_until_told(Work(winding_up=fail).run(), LONG, end)
