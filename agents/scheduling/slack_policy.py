"""The scheduler: who goes next by slack, density and age, and to the device that will be done first.

*Priority* is the apparent tardiness cost rule of Vepsalainen and Morton ("Priority rules for job shops with weighted
tardiness costs", Management Science 33(8), 1987), index = weight / work * exp(-max(slack, 0) / horizon), as its
negative logarithm, so that it is a sum of integers. For work stands the compute density, measured work a byte: items
go in batches, and what counts is how long a payload keeps a device from all others. With time to spare the slack
decides, which is least slack first; when all are late it is Smith's rule (weighted shortest work first), which
doesn't fall over in an overload as deadlines alone do.

*Ageing*: every `aged_every`-th batch of a device goes to what has waited longest there, once that is longer than
`patience_us`. Hence the bound: an item that k older ones precede on device d starts within aged_every * (k + 1) batches
that d starts after the item's patience is over, whatever arrives.

*Assignment* is minimum completion time (Maheswaran et al., "Dynamic mapping of a class of independent tasks onto
heterogeneous computing systems", JPDC 59(2), 1999), busy devices included: if a fast one that is nearly free would be
done before a slow idle one, the batch is left for it.

*Small batches*: what came just now lets other work go first for `linger_us`, if its slack is plentiful, so that more of
its kind joins it; a device without other work takes it at once.

*Length of a batch* is limited by `longest_us`: nothing running is interrupted, so the longest batch is what an urgent
item may have to wait for (the blocking term of non-preemptive EDF; George, Rivierre and Spuri, INRIA RR-2966, 1996).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agents.scheduling.assignment import Assignment
from agents.scheduling.batching import Bounds, Step
from agents.scheduling.device import Device
from agents.scheduling.fleet import Fleet
from agents.scheduling.latency import LOG_UNIT
from agents.scheduling.queues import Queued, Queues, Shelf

NAME: Final = "slack/1"
WEIGHTS: Final = (8 * LOG_UNIT, 4 * LOG_UNIT, 0)
"""How much lateness counts, by urgency: log2, in parts of `LOG_UNIT`."""


YIELD: Final = 1 << 60
"""Added to the key of what lets others go first: more than any slack."""

SPARE: Final = 4
"""Times `linger_us` that the slack must be for an item to let others go first."""

MOST_LEFT: Final = 16
"""Batches left for busy devices in one step: what is slower by more than that stays idle, and a step stays short."""


NONE: Final = 1 << 100
"""The key of a shelf that is done with in a step."""


@dataclass(frozen=True, slots=True)
class SlackPolicy:
    """See the module.

    Attributes:
        horizon_us: An item with so much more slack counts half.
        patience_us: Waiting beyond it is made good by age.
        aged_every: Of so many batches of a device, one is for what has waited longest.
        longest_us: A batch of several items is predicted to take no longer.
        fill_us: So much longer it may take for items that fill it.
        linger_us: So long after it came an item lets other work go first, if it has slack for that.
    """

    horizon_us: int = 20_000
    patience_us: int = 5_000_000
    aged_every: int = 4
    longest_us: int = 25_000
    fill_us: int = 4_000
    linger_us: int = 2_000

    def step(self, now: int, queues: Queues, devices: Fleet) -> tuple[Assignment, ...]:
        """Everything that is to start at this moment; see `Policy`."""
        step = Step(NAME, now, queues, devices)
        step.probe()
        if devices.free and queues.shelves:
            self._by_priority(step, [each for each in devices.free if not self._aged(step, each, queues)], queues)
        return tuple(step.made)

    def _aged(self, step: Step, device: Device, queues: Queues) -> bool:
        """Give the device what has waited longest, if it is the turn for that."""
        if (device.turns + 1) % self.aged_every:
            return False
        before = step.now - self.patience_us
        found = [
            (row.since, row.number, shelf)
            for shelf in queues.shelves.values()
            if shelf.since < before and device.takes(shelf.key.model, shelf.key.tokens) and (row := step.oldest(shelf))
        ]
        if not found:
            return False
        shelf = min(found, key=lambda each: each[:2])[2]
        oldest = step.oldest(shelf)
        assert oldest is not None
        rows = [oldest, *[each for each in step.left(shelf, device.max_items) if each is not oldest]]
        step.take(device, shelf, rows, "aged", 0, Bounds(self.longest_us, self.fill_us))
        return True

    def _by_priority(self, step: Step, free: list[Device], queues: Queues) -> None:
        now = step.now
        densities = step.fleet.latencies.log_density
        horizon, linger = self.horizon_us, self.linger_us
        shelves = list(queues.shelves.values())
        keys = [  # the same as `_key`, without a call for each shelf: half of a step's time
            densities[shelf.model]
            - WEIGHTS[shelf.urgency]
            + (
                0
                if (slack := shelf.start - now) <= 0
                else slack * LOG_UNIT // horizon
                + (YIELD if slack > SPARE * linger and now - shelf.first_since < linger else 0)
            )
            for shelf in shelves
        ]
        busy = {made.device: made.predicted for made in step.made}
        left_for_others = 0
        while free and left_for_others < MOST_LEFT and (priority := min(keys)) < NONE:
            place = _place(priority, keys, shelves)
            shelf, keys[place] = shelves[place], NONE
            key = shelf.key
            able = [device for device in free if device.takes(key.model, key.tokens)]
            names = [each.name for each in able]
            rows = step.left(shelf, able[0].max_items) if able else []
            if not rows:
                continue
            count = 1 if key.alone else min(len(rows), able[0].max_items, able[0].token_budget // key.tokens)
            device, done = self._first_done(step, shelf, count, able, busy)
            busy[device.name] = done
            if device.name in names:
                step.take(device, shelf, rows, "priority", priority, Bounds(self.longest_us, self.fill_us))
                free.remove(device)
            else:
                step.leave(rows[:count])
                left_for_others += 1
            if free and (rows := step.left(shelf, 1)):
                keys[place] = self._key(densities, shelf, rows[0], now)

    def _key(self, densities: Mapping[str, int], shelf: Shelf, first: Queued, now: int) -> int:
        """What the shelf is compared by, less being sooner."""
        key = densities[shelf.model] - WEIGHTS[shelf.urgency]
        slack = first.start - now
        if slack <= 0:
            return key
        key += slack * LOG_UNIT // self.horizon_us
        linger = self.linger_us
        return key + YIELD if now - first.since < linger and slack > SPARE * linger else key

    def _first_done(
        self, step: Step, shelf: Shelf, count: int, able: list[Device], busy: dict[str, int]
    ) -> tuple[Device, int]:
        """Which healthy device would be done first with a batch of so many, and in how many microseconds from now.

        Args:
            able: The free ones among them; they win a tie.
            busy: Microseconds until devices are free that get, or are left, a batch in this step.
        """
        model, length, now = shelf.key.model, shelf.key.tokens, step.now
        predict = step.fleet.latencies.predict
        names = [each.name for each in able]
        best, best_done = able[0], 1 << 62
        for device in able:
            took = predict(model, device.name, count * length, count) * 1_000 // device.weight
            if took < best_done:
                best, best_done = device, took
        ends = step.fleet.ends
        for device in step.fleet.healthy(model, length):
            if device.name in names:
                continue
            # What is overdue is taken to need as long again as it is over.
            wait = busy.get(device.name) or abs(ends[device.name] - now)
            if wait < best_done:
                took = predict(model, device.name, count * length, count) * 1_000 // device.weight
                if wait + took < best_done:
                    best, best_done = device, wait + took
        return best, best_done


def _place(priority: int, keys: list[int], shelves: list[Shelf]) -> int:
    """Where this key is; of equal ones the shelf that is first by name, so that their order decides nothing."""
    if keys.count(priority) == 1:
        return keys.index(priority)
    return min([place for place, key in enumerate(keys) if key == priority], key=lambda place: shelves[place].key)
