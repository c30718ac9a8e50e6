"""When partitions that were read to their end are fetched again: together, once their frames are done.

A broker answers a fetch when any of the partitions asked for has a record, and until then a client can't add to what it
asked. A partition left out, because its frame is in work, would wait for the next record of another one, which may take
as long as a fetch waits. So all of them rest while what a fetch brought is in work, and the next fetch asks for all;
it brings what came in meanwhile, so that frames grow with the load. A backlog is fetched ahead.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Final, Protocol

from faust.types import TP

from streams.frames.ledger import Hold

LIMIT_SECONDS: Final = 0.25
"""How long frames in work keep other partitions from being fetched; one that waits for long does so alone."""


class Rests(Protocol):
    """What can leave partitions out of its fetches."""

    def rest(self, tp: TP) -> None:
        """Fetch nothing more of a partition, until `wake`."""
        ...

    def wake(self, tp: TP) -> None:
        """Go on fetching it."""
        ...


class Rounds:
    """Which partitions rest, and for which frames.

    Args:
        later: Calls something after so many seconds, unless it is cancelled.
        read: Whether a partition is read at all; one that is not does not wake.
    """

    def __init__(
        self, later: Callable[[float, Callable[[], None]], asyncio.TimerHandle], read: Callable[[TP], bool]
    ) -> None:
        self._later = later
        self._read = read
        self._reader: Rests | None = None
        self._open: set[Hold] = set()
        self._slow: set[Hold] = set()
        self._resting: set[TP] = set()
        self._limit: asyncio.TimerHandle | None = None

    def begin(self, reader: Rests, holds: Collection[Hold], tps: Collection[TP]) -> None:
        """These partitions rest until all frames of this round are done, and of those that it joins."""
        self._reader = reader
        self._open.update(holds)
        self._resting.update(tps)
        for tp in tps:
            reader.rest(tp)
        if self._limit is None:
            self._limit = self._later(LIMIT_SECONDS, self._too_long)

    def done(self, hold: Hold) -> None:
        """A frame is done, or gone."""
        self._open.discard(hold)
        self._slow.discard(hold)
        if not self._open:
            self._stop_waiting()
            self._wake()

    def clear(self) -> None:
        """Another assignment began: nothing of this one counts."""
        self._open.clear()
        self._slow.clear()
        self._resting.clear()
        self._stop_waiting()

    def _too_long(self) -> None:
        self._limit = None
        self._slow |= self._open
        self._open.clear()
        self._wake()

    def _wake(self) -> None:
        """Wake all but those whose own frame takes long."""
        woken = self._resting - {hold.tp for hold in self._slow}
        self._resting -= woken
        for tp in woken:
            if self._reader is not None and self._read(tp):
                self._reader.wake(tp)

    def _stop_waiting(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
