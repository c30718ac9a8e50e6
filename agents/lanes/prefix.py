"""How far a lane's partition is done: work ends out of order, the watermark moves over the finished prefix. Pure."""

from collections import deque
from collections.abc import Collection


class Prefix:
    """One partition since it was assigned.

    Attributes:
        stored: The position that the database holds, where it holds one.
        era: Of the watermark.
        revoked: Somebody else may have the partition by now.
    """

    def __init__(self, topic: str, partition: int, stored: int | None, era: int = 0) -> None:
        self.topic = topic
        self.partition = partition
        self.stored = stored
        self.era = era
        self.revoked = False
        self._open: deque[int] = deque()
        self._finished: set[int] = set()
        self._first: int | None = None
        self._past = 0

    def __len__(self) -> int:
        """Messages beyond the finished prefix."""
        return len(self._open)

    def read(self, offset: int) -> None:
        """A message was read; offsets only ever grow."""
        if self._first is None:
            self._first = offset
        self._open.append(offset)
        self._past = offset + 1

    def finish(self, offsets: Collection[int]) -> None:
        """The records of these messages have ended."""
        self._finished.update(offsets)
        while self._open and self._open[0] in self._finished:
            self._finished.discard(self._open.popleft())

    def position(self, also: Collection[int] = ()) -> int:
        """Where the prefix would end if these were finished too."""
        ending = self._finished.union(also)
        return next((offset for offset in self._open if offset not in ending), self._past)

    def step(self, also: Collection[int]) -> tuple[int, int] | None:
        """From where to where the watermark moves if these are finished; None when it stays.

        What stands before the stored position was read again, and moves nothing.
        """
        if self._first is None or self.revoked:
            return None
        start = self._first if self.stored is None else self.stored
        end = self.position(also)
        return (start, end) if end > start else None
