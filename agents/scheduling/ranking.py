"""Which shelf goes first: how shelves are compared, and those of a step that had no turn yet.

Shelves of one queue and model form a group. Its *head* is the shelf of least key in it, and heads alone are compared
with each other. Where a shelf can start, and whether it has to wait, is not decided here.
"""

from collections.abc import Sequence
from typing import Final

from agents.scheduling.batching import Step
from agents.scheduling.latency import LOG_UNIT
from agents.scheduling.places import Places
from agents.scheduling.queues import Group, Shelf, ShelfKey

WEIGHTS: Final = (8 * LOG_UNIT, 4 * LOG_UNIT, 0)
"""How much lateness counts, by urgency: log2, in parts of `LOG_UNIT`."""

YIELD: Final = 1 << 60
"""Added to the key of what lets others go first: more than any slack."""

SPARE: Final = 4
"""Times `linger_us` that the slack must be for an item to let others go first."""

NONE: Final = 1 << 100
"""The key of a shelf that is done with in a step."""

Head = tuple[int, ShelfKey, Shelf, Group]
"""Of a group: the least key, the name of its shelf, which decides between equal ones, and both."""


class Ranking:
    """The heads of a step, each to be asked for once; more of a group come when they are put in.

    Args:
        waiting: Shelves that get no turn.

    Attributes:
        last_resort: Only postponed heads are left: each is better begun than a device idle.
    """

    __slots__ = ("_heads", "_horizon_us", "_linger_us", "_postponed", "_seen", "_step", "last_resort")

    def __init__(self, step: Step, horizon_us: int, linger_us: int, waiting: Sequence[Shelf] | None) -> None:
        self.last_resort = False
        self._step = step
        self._horizon_us = horizon_us
        self._linger_us = linger_us
        self._heads: list[Head] = []
        self._postponed: list[Head] = []
        self._seen: dict[Shelf, int] = dict.fromkeys(waiting, NONE) if waiting else {}
        """The keys of shelves that had a turn, or get none."""

    def put_first(self, groups: Sequence[Group], places: Places) -> None:
        """The head of each group that has any and can start somewhere."""
        now, densities = self._step.now, self._step.fleet.latencies.log_density
        horizon, linger, apart = self._horizon_us, self._linger_us, self._horizon_us // LOG_UNIT + 1
        heads, seen, are_apart = self._heads, self._seen, places.are_apart
        for group in groups:
            shelves = group.by_start()
            if not shelves or (are_apart and not places.of(group).free):
                continue
            # Written out for the usual case, in which the next shelf is not as urgent: a step is short.
            first, base = shelves[0], densities[group.model] - WEIGHTS[group.urgency]
            slack = first.start - now
            near = len(shelves) > 1 and shelves[1].start - (now if slack < 0 else first.start) < apart
            if first in seen or near or (slack > SPARE * linger and now - first.first_since < linger):
                self._put(self._head(group, shelves, base))
            else:
                heads.append((base if slack <= 0 else base + slack * LOG_UNIT // horizon, first.key, first, group))

    def pop(self) -> Head | None:
        """The first of all heads; its shelf has had its turn then."""
        heads = self._heads
        if not heads:
            if not self._postponed:
                return None
            heads.append(self._postponed[0])
            self._postponed.clear()
            self.last_resort = True
        head = min(heads)
        heads.remove(head)
        self._seen[head[2]] = NONE
        return head

    def postpone(self, head: Head) -> None:
        """It comes again when nothing else is left."""
        self._postponed.append(head)

    def put_back(self, shelf: Shelf) -> None:
        """Something of the shelf was taken: what is left of it can have another turn."""
        if rows := self._step.left(shelf, 1):
            self._seen[shelf] = self._key(self._base(shelf.group), rows[0].start, rows[0].since)

    def put_next(self, group: Group) -> None:
        """The head of a group whose shelves had turns; none when all are done with."""
        self._put(self._head(group, group.by_start(), self._base(group)))

    def _put(self, head: Head) -> None:
        if head[0] < NONE:
            self._heads.append(head)

    def drop_placeless(self, places: Places) -> None:
        """Forget the heads that can't start anywhere any more."""
        self._heads = [each for each in self._heads if places.of(each[3]).free]
        self._postponed = [each for each in self._postponed if places.of(each[3]).free]

    def _head(self, group: Group, shelves: list[Shelf], base: int) -> Head:
        """The first of a group's shelves; of equal ones the first by name, so that their order decides nothing."""
        best, least, seen = shelves[0], NONE, self._seen
        for shelf in shelves:
            key = seen[shelf] if shelf in seen else self._key(base, shelf.start, shelf.first_since)
            if key < least:
                best, least = shelf, key
            elif key == least:
                if shelf.rank < best.rank:
                    best = shelf
            elif key < YIELD and shelf not in seen:
                break  # by their starts: only one that had a turn or lets others go first may stand before a lesser one
        return least, best.key, best, group

    def _base(self, group: Group) -> int:
        """What the keys of a group's shelves have in common."""
        return self._step.fleet.latencies.log_density[group.model] - WEIGHTS[group.urgency]

    def _key(self, base: int, start: int, since: int) -> int:
        """What a shelf is compared by, less being sooner.

        Args:
            base: Of its group.
            start: The latest start of its first item.
            since: When that one came.
        """
        now, linger = self._step.now, self._linger_us
        slack = start - now
        if slack <= 0:
            return base
        key = base + slack * LOG_UNIT // self._horizon_us
        return key + YIELD if now - since < linger and slack > SPARE * linger else key
