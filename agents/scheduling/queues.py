"""Queues for each modality and urgency, as shelves of items that may share a batch. Who goes first is a policy's part.

Within a shelf items stand in the order of their latest start: deadline less predicted work. That difference doesn't
change while they wait, so that least slack first (Mok, "Fundamental design problems of distributed systems for the hard
real-time environment", 1983) needs no sorting anew as time passes.
"""

from bisect import bisect_left, insort
from collections import OrderedDict
from operator import attrgetter
from typing import Final, NamedTuple

import msgspec

from agents.scheduling.work import Modality, Urgency, WorkItem

_START: Final = attrgetter("start")

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
        due: The item's deadline.
        since: When it was put here.
        share: Its part of the work of a full batch, in microseconds.
    """

    start: int
    number: int
    due: int
    since: int
    share: int
    item: WorkItem


class Shelf:
    """Items that may share a batch, by latest start and by age. Never empty."""

    __slots__ = ("by_age", "by_start", "first_since", "group", "key", "model", "queue", "rank", "since", "start")

    def __init__(self, key: ShelfKey, group: "Group") -> None:
        self.key = key
        self.group = group
        self.model = key.model
        self.queue = str(key.queue)
        self.rank = key.tokens * 2 + key.alone
        """Orders the shelves of a group as their keys do."""
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
        if first.start != self.start:
            self.group.changed()
        self.start, self.first_since = first.start, first.since

    def oldest(self) -> Queued:
        """What has waited longest."""
        return next(iter(self.by_age.values()))


class Group:
    """The shelves of one queue and model: nothing but their starts decides between them.

    Attributes:
        is_urgent: Its queue is of high urgency.
        lengths: Those whose items share batches, by their tokens.
    """

    __slots__ = ("_by_start", "_shelves", "is_urgent", "lengths", "model", "queue", "urgency")

    def __init__(self, queue: QueueKey, model: str) -> None:
        self.queue = queue
        self.model = model
        self.urgency = int(queue.urgency)
        self.is_urgent = queue.urgency is Urgency.HIGH
        self.lengths: dict[int, Shelf] = {}
        self._shelves: list[Shelf] = []
        self._by_start: list[Shelf] | None = []

    def put(self, shelf: Shelf) -> None:
        """A shelf more."""
        self._shelves.append(shelf)
        if not shelf.key.alone:
            self.lengths[shelf.key.tokens] = shelf
        self.changed()

    def drop(self, shelf: Shelf) -> None:
        """It became empty."""
        self._shelves.remove(shelf)
        if not shelf.key.alone:
            del self.lengths[shelf.key.tokens]
        self.changed()

    def changed(self) -> None:
        """A shelf came, went, or starts with another item."""
        self._by_start = None

    def by_start(self) -> list[Shelf]:
        """Its shelves by latest start. Sorted when asked for: a batch that leaves changes a shelf many times."""
        if self._by_start is None:
            self._by_start = sorted(self._shelves, key=_START)
        return self._by_start


class Queues:
    """All that waits. A policy only reads it."""

    def __init__(self) -> None:
        self.shelves: dict[ShelfKey, Shelf] = {}
        self.groups: list[Group] = []
        """Bounded by queues and models, so that those are kept which are empty now."""
        self.of_model: dict[str, list[Group]] = {}
        """The same by model, in the order of their queues."""
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
            shelf = self.shelves[key] = self._shelf(key)
            self.served.setdefault(queue, 0)
        self._number += 1
        queued = Queued(item.deadline - work, self._number, item.deadline, now, share, item)
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
            shelf.group.drop(shelf)
            return queued.item
        shelf.note_first()
        if queued.since == shelf.since:
            shelf.since = shelf.oldest().since
        return queued.item

    def _shelf(self, key: ShelfKey) -> Shelf:
        groups = self.of_model.setdefault(key.model, [])
        group = next((each for each in groups if each.queue == key.queue), None)
        if group is None:
            group = Group(key.queue, key.model)
            self.groups.append(group)
            groups.append(group)
            groups.sort(key=attrgetter("queue"))
        shelf = Shelf(key, group)
        group.put(shelf)
        return shelf


def rounded(tokens: int) -> int:
    """The length up to which an item is padded at most: a quarter of its power of two, or 8 tokens, is the step."""
    step = max(FINEST, 1 << max(tokens - 1, 0).bit_length() >> 3)
    return -(-max(tokens, 1) // step) * step
