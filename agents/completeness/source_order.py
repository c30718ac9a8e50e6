"""Which numbers of a source's sequence are missing, came late, or came twice. Storing that is streams.storage.ordering.

Numbers may come in any order, since a source's messages are spread over partitions and workers: a number that was left
out is a gap from the moment on at which a later one is seen, and worth a note only after a while.
"""

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers that have not been seen, though later ones have.

    Attributes:
        first: The lowest of them.
        last: The highest of them.
        since: When the gap was found.
        noted: Whether the log says so.
    """

    first: int
    last: int
    since: dt.datetime
    noted: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that came in, with its number."""

    number: int
    message: UUID


@dataclass(slots=True)
class SourceOrder:
    """What is known of one source's numbers.

    Attributes:
        first: The lowest number seen; None when there is none yet.
        last: The highest number seen.
        gaps: The gaps between them, in order; those that no arrival can touch may be left out.
    """

    first: int | None = None
    last: int = 0
    gaps: list[Gap] = field(default_factory=list)

    def take(self, arrivals: Iterable[Arrival], now: dt.datetime) -> tuple[list[int], list[Arrival]]:
        """Take in what arrived.

        Returns:
            The late numbers, whose absence was noted, in order; and the messages whose number another one has.
        """
        late: list[int] = []
        repeated: list[Arrival] = []
        # What arrives together is looked at in the order of its numbers: there are no gaps between neighbours then.
        for arrival in sorted(arrivals, key=attrgetter("number")):
            number = arrival.number
            if self.first is None:
                self.first = self.last = number
            elif number > self.last:
                self._miss(self.last + 1, number - 1, now)
                self.last = number
            elif number < self.first:
                self._miss(number + 1, self.first - 1, now)
                self.first = number
            else:
                noted = self._close(number)
                if noted is None:
                    repeated.append(arrival)
                elif noted:
                    late.append(number)
        return late, repeated

    def _miss(self, first: int, last: int, now: dt.datetime) -> None:
        if first <= last:
            self.gaps.insert(self._place(first), Gap(first, last, now))

    def _close(self, number: int) -> bool | None:
        """Take a number out of its gap; returns whether that was noted, None when it is in no gap."""
        at = self._place(number) - 1
        if at < 0 or self.gaps[at].last < number:
            return None
        gap = self.gaps[at]
        parts = (Gap(gap.first, number - 1, gap.since, gap.noted), Gap(number + 1, gap.last, gap.since, gap.noted))
        self.gaps[at : at + 1] = [part for part in parts if part.first <= part.last]
        return gap.noted

    def _place(self, number: int) -> int:
        return bisect_right(self.gaps, number, key=attrgetter("first"))


def runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each run of consecutive numbers; the numbers are in order."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return found
