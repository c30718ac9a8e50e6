"""Outlasting outages: the same again until it works, with growing pauses, while the health says what is waited for.

Which errors pass is `streams.outages`' part.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from streams.health import Health
from streams.outages import describe, passes, raised_at

log = structlog.get_logger(__name__)

T = TypeVar("T")

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
"""Seconds. Coming back takes at most so long after the server did."""


def pause_seconds(failing_for: float, chance: float) -> float:
    """How long to pause before the next attempt.

    It follows from the time since the first failure, not from the number of attempts: many tasks that meet the same
    outage don't make each other wait longer. Half of it is random, so that workers don't come back in step.

    Args:
        failing_for: Seconds since the first failure.
        chance: A random number from 0 to 1.
    """
    return min(LONGEST_PAUSE, FIRST_PAUSE + failing_for) * (0.5 + 0.5 * chance)


class Part:
    """One part of a process: outlasts outages and reports to the health under its name."""

    def __init__(
        self,
        health: Health,
        name: str,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._health = health
        self._name = name
        self._sleep = sleep
        self._clock = clock
        self._chance = chance
        self._failing_since: float | None = None

    def starting(self) -> None:
        """The part has something to do before it can work."""
        self._health.starting(self._name)

    def working(self) -> None:
        """The part did its job just now, or stands by."""
        if self._failing_since is not None:
            seconds = self._clock() - self._failing_since
            self._failing_since = None
            log.info("outage.over", part=self._name, seconds=round(seconds, 3))
        self._health.working(self._name)

    def failed(self, error: BaseException) -> None:
        """The part has given up."""
        log.error("part.failed", part=self._name, why=describe(error), raised_at=raised_at(error))
        self._health.failed(self._name, describe(error))

    async def outlast(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Attempt until no outage is in the way; success means that the part works.

        Raises:
            Exception: What no waiting helps against.
        """
        result = await self.keep_going(attempt)
        self.working()
        return result

    async def keep_going(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """As `outlast`, for work without an end, which calls `working` itself whenever it does its job.

        Raises:
            Exception: What no waiting helps against.
        """
        while True:
            try:
                return await attempt()
            except Exception as exc:
                if not passes(exc):
                    raise
                if cancelled():
                    raise asyncio.CancelledError from exc
                await self._pause(exc)

    async def _pause(self, error: Exception) -> None:
        now = self._clock()
        why = describe(error)
        if self._failing_since is None:
            self._failing_since = now
            log.warning("outage.began", part=self._name, why=why)
        self._health.waiting(self._name, why)
        await self._sleep(pause_seconds(now - self._failing_since, self._chance()))


def cancelled() -> bool:
    """Whether somebody wants this task to end.

    A task group whose child fails at that moment raises the failure alone: taken for an outage, it would be outlasted,
    and whoever cancelled would wait for ever.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
