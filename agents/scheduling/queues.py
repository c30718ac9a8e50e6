"""Queues for each modality and urgency, as shelves of items that may share a batch. Who goes first is a policy's part.

Within a shelf items stand in the order of their latest start: deadline less predicted work. That difference doesn't
change while they wait, so that least slack first (Mok, "Fundamental design problems of distributed systems for the hard
real-time environment", 1983) needs no sorting anew as time passes.
"""

from bisect import bisect_left, insort
from collections import OrderedDict
from typing import Final, NamedTuple

import msgspec

from agents.scheduling.work import Modality, Urgency, WorkItem

FINEST: Final = 8
"""Tokens: lengths are told apart by no less, and by no less than an eighth of the next power of two."""


class QueueKey(NamedTuple):
    """Names a queue."""

    modality: Modality
    urgency: Urgency

    def __str__(self) -> str:
        return f"{self.modality}.{self.urgency.label}"


class ShelfKey(NamedTuple):
    """What items of one batch have in common.

    Attributes:
        tokens: Their length, rounded up.
        alone: Each runs in a batch of its own: it is the last try.
    """

    queue: QueueKey
    model: str
    tokens: int
    alone: bool


class Queued(msgspec.Struct, frozen=True, gc=False, order=True):
    """An item in its place; compared by latest start, then by the order of coming.

    Attributes:
        start: The latest start that keeps the deadline.
        number: Counts everything that was ever queued.
        since: When it was put here.
        share: Its part of the work of a full batch, in microseconds.
    """

    start: int
    number: int
    since: int
    share: int
    item: WorkItem


class Shelf:
    """Items that may share a batch, by latest start and by age. Never empty."""

    __slots__ = ("by_age", "by_start", "first_since", "key", "model", "queue", "since", "start", "urgency")

    def __init__(self, key: ShelfKey) -> None:
        self.key = key
        self.model = key.model
        self.urgency = int(key.queue.urgency)
        self.queue = str(key.queue)
        self.since = 0
        """When the oldest came."""
        self.start = 0
        """Latest start of the first by latest start; kept here, since every step reads it of every shelf."""
        self.first_since = 0
        """When that one came."""
        self.by_start: list[Queued] = []
        self.by_age: OrderedDict[int, Queued] = OrderedDict()

    def note_first(self) -> None:
        """To be called when something came or went."""
        first = self.by_start[0]
        self.start, self.first_since = first.start, first.since

    def oldest(self) -> Queued:
        """What has waited longest."""
        return next(iter(self.by_age.values()))


class Queues:
    """All that waits. A policy only reads it."""

    def __init__(self) -> None:
        self.shelves: dict[ShelfKey, Shelf] = {}
        self.served: dict[QueueKey, int] = {}
        """The number of the last assignment from each queue."""
        self.work = dict.fromkeys(Urgency, 0)
        """Microseconds of work that wait, at full batches on the fastest device."""
        self._places: dict[str, tuple[Shelf, Queued]] = {}
        self._number = 0

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._places

    def add(self, item: WorkItem, now: int, *, work: int, share: int, alone: bool = False) -> None:
        """Queue an item.

        Args:
            work: Microseconds it needs by itself.
            share: Its part of a full batch, in microseconds.
            alone: It must not share a batch.
        """
        queue = QueueKey(item.modality, item.urgency)
        key = ShelfKey(queue, item.model, rounded(item.tokens), alone)
        shelf = self.shelves.get(key)
        if shelf is None:
            shelf = self.shelves[key] = Shelf(key)
            self.served.setdefault(queue, 0)
        self._number += 1
        queued = Queued(item.deadline - work, self._number, now, share, item)
        insort(shelf.by_start, queued)
        if not shelf.by_age:
            shelf.since = now
        shelf.by_age[queued.number] = queued
        shelf.note_first()
        self.work[item.urgency] += share
        self._places[item.id] = (shelf, queued)

    def remove(self, item_id: str) -> WorkItem:
        """Take an item out."""
        shelf, queued = self._places.pop(item_id)
        del shelf.by_start[bisect_left(shelf.by_start, queued)]
        del shelf.by_age[queued.number]
        self.work[queued.item.urgency] -= queued.share
        if not shelf.by_start:
            del self.shelves[shelf.key]
            return queued.item
        shelf.note_first()
        if queued.since == shelf.since:
            shelf.since = shelf.oldest().since
        return queued.item


def rounded(tokens: int) -> int:
    """The length up to which an item is padded at most: a quarter of its power of two, or 8 tokens, is the step."""
    step = max(FINEST, 1 << max(tokens - 1, 0).bit_length() >> 3)
    return -(-max(tokens, 1) // step) * step
