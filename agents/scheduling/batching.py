"""Batches of one step: what is taken, how many fit, and the probes. Shelf and device are chosen by the policy.

A batch never waits to be filled: what stands on the shelf when a device is free goes, and under load a shelf fills
while the devices are busy (adaptive batching; Crankshaw et al., "Clipper", NSDI 2017, section 4.3). What is limited
is the other side: a batch must not grow until its own first item is late, as in Nexus (Shen et al., SOSP 2019,
section 6.3).
"""

from typing import Final, NamedTuple

from agents.scheduling.assignment import Assignment
from agents.scheduling.device import Device
from agents.scheduling.explanation import Explanation, Why
from agents.scheduling.fleet import Fleet
from agents.scheduling.queues import Queued, Queues, Shelf

UNLIMITED: Final = 1 << 62
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


class Step:
    """The batches of one step so far; nothing is taken twice in it."""

    def __init__(self, policy: str, now: int, queues: Queues, fleet: Fleet) -> None:
        self.now = now
        self.fleet = fleet
        self.made: list[Assignment] = []
        self._policy = policy
        self._queues = queues
        self._taken: set[int] = set()

    def left(self, shelf: Shelf) -> list[Queued]:
        """What is not taken yet, by latest start."""
        if not self._taken:
            return shelf.by_start
        return [each for each in shelf.by_start if each.number not in self._taken]

    def oldest(self, shelf: Shelf) -> Queued | None:
        """What has waited longest of what is not taken yet."""
        if not self._taken:
            return shelf.oldest()
        return next((each for each in shelf.by_age.values() if each.number not in self._taken), None)

    def take(
        self, device: Device, shelf: Shelf, rows: list[Queued], why: Why, priority: int, bounds: Bounds | None = None
    ) -> None:
        """Start a batch of the first of these rows: as many as fit the device, the bounds, and their deadlines."""
        key = shelf.key
        most = 1 if key.alone else min(device.max_items, device.token_budget // key.tokens)
        chosen = rows[:most]
        own = len(chosen)
        if bounds is not None and most > 1:
            chosen = chosen[: self._in_time(device, shelf, chosen, bounds.longest_us)]
            own = len(chosen)
            if own == len(rows) and own < most:
                limit = self.fleet.latencies.predict(key.model, device.name, own * key.tokens, own) + bounds.fill_us
                chosen = [*chosen, *self._others(shelf, most - own)]
                chosen = chosen[: max(own, self._in_time(device, shelf, chosen, min(limit, bounds.longest_us)))]
        self._start(device, shelf, chosen, own, why, priority)

    def _start(self, device: Device, shelf: Shelf, chosen: list[Queued], own: int, why: Why, priority: int) -> None:
        model, items = shelf.key.model, tuple([each.item for each in chosen])
        tokens = len(items) * max([each.tokens for each in items])
        predicted = self.fleet.latencies.predict(model, device.name, tokens, len(items))
        self._taken.update([each.number for each in chosen])
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
            tokens=tokens,
            why=why,
        )
        self.made.append(Assignment(device.name, items, tokens, predicted, explanation))

    def _others(self, shelf: Shelf, most: int) -> list[Queued]:
        """Up to so many items that may fill its batch: same model, as long or a little shorter, the urgent first."""
        key = shelf.key
        shortest = key.tokens * SHORTEST_FILLER // 4
        keys = [
            (other.queue, -other.tokens, other)
            for other in self._queues.shelves
            if other.model == key.model and shortest <= other.tokens <= key.tokens and not other.alone and other != key
        ]
        found: list[Queued] = []
        for _, _, other in sorted(keys):
            if len(found) >= most:
                break
            found.extend(self.left(self._queues.shelves[other])[: most - len(found)])
        return found

    def _in_time(self, device: Device, shelf: Shelf, rows: list[Queued], limit: int) -> int:
        """How many can go together with none late that would be in time by itself; at least one."""
        model, length, worst = shelf.key.model, shelf.key.tokens, self.fleet.latencies.worst
        count = len(rows)
        earliest = self.now + worst(model, device.name, length, 1)
        tightest = min([due for each in rows if (due := each.item.deadline) >= earliest], default=UNLIMITED)
        room = min(limit, tightest - self.now)
        while count > 1 and (needed := worst(model, device.name, count * length, count)) > room:
            count = max(min(count * room // needed, count - 1), 1)
        return count

    def leave(self, rows: list[Queued]) -> None:
        """Pass these over: they are for a device that is not free yet."""
        self._taken.update([each.number for each in rows])

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
                (shelf.key.alone, -shelf.urgency, row.since, row.number, row, shelf)
                for shelf in able
                if (row := self.oldest(shelf)) is not None
            ]
            if found:
                *_, row, shelf = min(found, key=lambda each: each[:4])
                self.take(device, shelf, [row], "probe", 0)
