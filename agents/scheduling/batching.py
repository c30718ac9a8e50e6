"""Batches of one step: what is taken, how many fit, and the probes. Shelf and device are chosen by the policy.

A batch never waits to be filled: what stands on the shelf when a device is free goes, and under load a shelf fills
while the devices are busy (adaptive batching; Crankshaw et al., "Clipper", NSDI 2017, section 4.3). What is limited
is the other side: a batch must not grow until its own first item is late, as in Nexus (Shen et al., SOSP 2019,
section 6.3).
"""

from functools import cache
from itertools import islice
from typing import Final, NamedTuple

from msgspec import UNSET

from agents.scheduling.assignment import Assignment
from agents.scheduling.device import Device, room
from agents.scheduling.explanation import Explanation, Why
from agents.scheduling.fleet import Fleet
from agents.scheduling.queues import Queued, Queues, Shelf, rounded

UNLIMITED: Final = 1 << 62
LARGEST_BATCH: Final = 1_024
"""Items looked at for one batch."""

SHORTEST_FILLER: Final = 3
"""Quarters of a batch's length that an item needs to fill it: padding it costs less than a batch of its own."""


class Bounds(NamedTuple):
    """How long a batch of more than one item may be predicted to take.

    Attributes:
        longest_us: Microseconds in all.
        fill_us: Microseconds more than its own items take, when others fill the room they leave.
    """

    longest_us: int
    fill_us: int


@cache
def fillers(tokens: int) -> tuple[int, ...]:
    """The lengths of shelves that may fill a batch of this one, the longest first."""
    shortest = tokens * SHORTEST_FILLER // 4
    lengths = {rounded(each) for each in range(shortest, tokens + 1)}
    return tuple(sorted((each for each in lengths if each <= tokens), reverse=True))


class Step:
    """The batches of one step so far; nothing is taken twice in it.

    Attributes:
        made: The batches.
        for_one: Names of devices that an item's last try has to itself, or will have once nothing runs there.
    """

    def __init__(self, policy: str, now: int, queues: Queues, fleet: Fleet) -> None:
        self.now = now
        self.fleet = fleet
        self.made: list[Assignment] = []
        self.for_one: set[str] = set()
        self._policy = policy
        self._queues = queues
        self._begun: set[str] = set()
        """Names of devices on which something was started."""
        self._taken: set[int] = set()
        self._left: list[list[Queued]] = []
        """Passed over or started, and not in `_taken` yet: most steps make one batch and never look."""

    def left(self, shelf: Shelf, most: int = LARGEST_BATCH) -> list[Queued]:
        """What is not taken yet, by latest start: so many of it."""
        if not self._is_taken():
            return shelf.by_start[:most]
        taken = self._taken
        return list(islice((each for each in shelf.by_start if each.number not in taken), most))

    def oldest(self, shelf: Shelf) -> Queued | None:
        """What has waited longest of what is not taken yet."""
        if not self._is_taken():
            return shelf.oldest()
        return next((each for each in shelf.by_age.values() if each.number not in self._taken), None)

    def is_idle(self, device: Device) -> bool:
        """Whether nothing runs on a device, nor was started on it in this step."""
        return not device.running and device.name not in self._begun

    def _is_taken(self) -> bool:
        """Whether anything is; sees to it that `_taken` has it."""
        if self._left:
            self._taken.update([each.number for rows in self._left for each in rows])
            self._left.clear()
        return bool(self._taken)

    def take(
        self,
        device: Device,
        shelf: Shelf,
        rows: list[Queued],
        why: Why,
        priority: int,
        bounds: Bounds | None = None,
        *,
        express: bool = False,
    ) -> None:
        """Start a batch of the first of these rows: as many as fit the device, the bounds, and their deadlines.

        Args:
            express: In the device's express slot.
        """
        key = shelf.key
        most = 1 if key.alone else room(key.tokens, device.max_items, device.token_budget)
        chosen = rows[:most]
        own = len(chosen)
        if bounds is not None and most > 1:
            filled, ends = chosen, self.now + bounds.longest_us
            if own < most and (others := self._others(device, shelf, most - own)):
                filled = [*chosen, *others]
            # Nothing on a shelf is due before its first has to start: then no row is looked at.
            tightest = UNLIMITED if filled is chosen and shelf.start >= ends else self._tightest(device, shelf, filled)
            fits = self._fitting(device, shelf, own, tightest, bounds.longest_us)
            if fits == own < len(filled):
                limit = self.fleet.latencies.predict(key.model, device.name, own * key.tokens, own) + bounds.fill_us
                limit = min(limit, bounds.longest_us)
                fits = max(own, self._fitting(device, shelf, len(filled), tightest, limit))
            chosen, own = filled[:fits], min(own, fits)
        self._start(device, shelf, chosen, own, why, priority, express)

    def _start(
        self, device: Device, shelf: Shelf, chosen: list[Queued], own: int, why: Why, priority: int, express: bool
    ) -> None:
        model, items = shelf.key.model, tuple([each.item for each in chosen])
        tokens = len(items) * max([each.tokens for each in items])
        predicted = self.fleet.latencies.predict(model, device.name, tokens, len(items))
        self._left.append(chosen)
        explanation = Explanation(
            attempt=items[0].attempts + 1,
            device=device.name,
            filled=len(items) - own,
            items=len(items),
            model=model,
            policy=self._policy,
            predicted=predicted,
            priority=priority,
            queue=shelf.queue,
            slack=chosen[0].start - self.now,
            slot=("express" if express else "ordinary") if device.express else UNSET,
            tokens=tokens,
            why=why,
        )
        self.made.append(Assignment(device.name, items, tokens, predicted, explanation, express, shelf.key.alone))
        self._begun.add(device.name)
        if shelf.key.alone:
            self.for_one.add(device.name)

    def _others(self, device: Device, shelf: Shelf, most: int) -> list[Queued]:
        """Up to so many items that may fill its batch: same model, as long or a little shorter, the urgent first.

        Where there is an express slot, what is urgent and what is not don't share batches.
        """
        key = shelf.key
        found: list[Queued] = []
        for group in self._queues.of_model[key.model]:
            if device.express and group.is_urgent is not shelf.group.is_urgent:
                continue
            for tokens in fillers(key.tokens):
                other = group.lengths.get(tokens)
                if other is not None and other is not shelf:
                    if len(found) >= most:
                        return found
                    found.extend(self.left(other, most - len(found)))
        return found

    def _tightest(self, device: Device, shelf: Shelf, rows: list[Queued]) -> int:
        """The next deadline of those that can be met at all."""
        earliest = self.now + self.fleet.latencies.worst(shelf.model, device.name, shelf.key.tokens, 1)
        dues = [each.due for each in rows]
        least = min(dues)
        return least if least >= earliest else min([due for due in dues if due >= earliest], default=UNLIMITED)

    def _fitting(self, device: Device, shelf: Shelf, count: int, tightest: int, limit: int) -> int:
        """How many of so many can go together within limit and deadline; at least one."""
        length, worst = shelf.key.tokens, self.fleet.latencies.worst
        room = min(limit, tightest - self.now)
        while count > 1 and (needed := worst(shelf.model, device.name, count * length, count)) > room:
            count = max(min(count * room // needed, count - 1), 1)
        return count

    def leave(self, rows: list[Queued]) -> None:
        """Pass these over: they are for a device that is not free yet."""
        self._left.append(rows)

    def probe(self) -> None:
        """Try degraded devices whose pause is over, each with one item of the least urgent queue it serves.

        The item is the oldest there: one that failed as a probe comes back as the youngest, so that an item which
        breaks every device isn't tried for ever.
        """
        for device in self.fleet.degraded:
            if not device.wants_probe(self.now):
                continue
            able = [shelf for shelf in self._queues.shelves.values() if device.takes(shelf.key.model, shelf.key.tokens)]
            found = [
                (shelf.key.alone, -shelf.key.queue.urgency, row.since, row.number, row, shelf)
                for shelf in able
                if (row := self.oldest(shelf)) is not None
            ]
            if found:
                *_, row, shelf = min(found, key=lambda each: each[:4])
                self.take(device, shelf, [row], "probe", 0)
