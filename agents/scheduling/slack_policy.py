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

*Long work takes turns*: what is not urgent goes to a device for more than `bear_us` only while another one will be free
sooner than that. Of several devices one is then always free soon, and none stands idle for it: shorter work goes first,
and where there is none the long work is begun all the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agents.scheduling.assignment import Assignment
from agents.scheduling.batching import Bounds, Step
from agents.scheduling.device import Device
from agents.scheduling.fleet import Fleet
from agents.scheduling.latency import LOG_UNIT
from agents.scheduling.queues import Group, Queues, Shelf, ShelfKey

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

_Head = tuple[int, ShelfKey, Shelf, Group]
"""Of a group: the least key, the name of its shelf, which decides between equal ones, and both."""


@dataclass(frozen=True, slots=True)
class SlackPolicy:
    """See the module.

    Attributes:
        horizon_us: An item with so much more slack counts half.
        patience_us: Waiting beyond it is made good by age.
        aged_every: Of so many batches of a device, one is for what has waited longest.
        longest_us: A batch of several items is predicted to take no longer.
        bear_us: What urgent work can bear to wait for a device to be free, of several.
        fill_us: So much longer it may take for items that fill it.
        linger_us: So long after it came an item lets other work go first, if it has slack for that.
    """

    horizon_us: int = 20_000
    patience_us: int = 5_000_000
    aged_every: int = 4
    longest_us: int = 25_000
    bear_us: int = 8_000
    fill_us: int = 10_000
    linger_us: int = 3_500

    def step(self, now: int, queues: Queues, devices: Fleet) -> tuple[Assignment, ...]:
        """Everything that is to start at this moment; see `Policy`."""
        step = Step(NAME, now, queues, devices)
        if devices.degraded:
            step.probe()
        if devices.free and queues.shelves:
            every = self.aged_every
            free = [each for each in devices.free if (each.turns + 1) % every or not self._aged(step, each, queues)]
            self._by_priority(step, free, queues)
        return tuple(step.made)

    def _aged(self, step: Step, device: Device, queues: Queues) -> bool:
        """Give the device, whose turn for that it is, what has waited longest, if it is too long."""
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
        heads = self._heads(step, queues)
        seen: dict[Shelf, int] = {}
        busy = {made.device: made.predicted for made in step.made}
        left_for_others = 0
        postponed: list[_Head] = []
        last_resort = False
        while free and (heads or postponed) and left_for_others < MOST_LEFT:
            if not heads:
                # Only long work is left: it is better begun than a device idle.
                heads, postponed, last_resort = postponed[:1], [], True
            head = min(heads)
            heads.remove(head)
            priority, _, shelf, group = head
            key = shelf.key
            seen[shelf] = NONE
            able = [device for device in free if device.takes(key.model, key.tokens)]
            rows = step.left(shelf, able[0].max_items) if able else []
            if rows:
                count = 1 if key.alone else min(len(rows), able[0].max_items, able[0].token_budget // key.tokens)
                device, done, is_free = self._first_done(step, shelf, count, able, busy)
                longest = self.longest_us
                if is_free and group.urgency and self._holds_up(step, device, busy, key.model):
                    longest = self.bear_us
                    alone = step.fleet.latencies.predict(key.model, device.name, key.tokens, 1)
                    if alone > longest and not last_resort:
                        postponed.append(head)
                        heads += self._next_head(group, step, seen)
                        continue
                busy[device.name] = done
                if is_free:
                    step.take(device, shelf, rows, "priority", priority, Bounds(longest, self.fill_us))
                    if len(free) == 1:
                        return
                    free = [each for each in free if each is not device]
                else:
                    step.leave(rows[:count])
                    left_for_others += 1
                if rows := step.left(shelf, 1):
                    seen[shelf] = self._key(_base(group, step), rows[0].start, rows[0].since, step.now)
            heads += self._next_head(group, step, seen)

    def _holds_up(self, step: Step, device: Device, busy: Mapping[str, int], model: str) -> bool:
        """Whether urgent work that came next would have to wait for this device, all others being busy for too long."""
        others = [each for each in step.fleet.by_end(model) if each[1].name != device.name]
        waits = [busy.get(other.name) or (abs(end - step.now) if end else 0) for end, other in others]
        return bool(waits) and min(waits) > self.bear_us

    def _heads(self, step: Step, queues: Queues) -> list[_Head]:
        """The first shelf of each group that has any."""
        now, densities = step.now, step.fleet.latencies.log_density
        horizon, linger, apart = self.horizon_us, self.linger_us, self.horizon_us // LOG_UNIT + 1
        heads = []
        for group in queues.groups:
            shelves = group.by_start()
            if not shelves:
                continue
            # Written out for the usual case, in which the next shelf is not as urgent: a step is short.
            first, base = shelves[0], densities[group.model] - WEIGHTS[group.urgency]
            slack = first.start - now
            near = len(shelves) > 1 and shelves[1].start - (now if slack < 0 else first.start) < apart
            if near or (slack > SPARE * linger and now - first.first_since < linger):
                heads.append(self._head(group, shelves, base, now))
            else:
                heads.append((base if slack <= 0 else base + slack * LOG_UNIT // horizon, first.key, first, group))
        return heads

    def _head(self, group: Group, shelves: list[Shelf], base: int, now: int) -> _Head:
        """The first of a group's shelves; of equal ones the first by name, so that their order decides nothing."""
        best, least = shelves[0], NONE
        for shelf in shelves:
            key = self._key(base, shelf.start, shelf.first_since, now)
            if key < least:
                best, least = shelf, key
            elif key == least:
                if shelf.rank < best.rank:
                    best = shelf
            elif key < YIELD:
                break  # they stand by their starts: only one that lets others go first may stand before a lesser one
        return least, best.key, best, group

    def _next_head(self, group: Group, step: Step, seen: Mapping[Shelf, int]) -> list[_Head]:
        """The same once some of its shelves had their turn; none when all are done with."""
        base, now = _base(group, step), step.now
        keys = [
            (seen[shelf] if shelf in seen else self._key(base, shelf.start, shelf.first_since, now), shelf.key, shelf)
            for shelf in group.by_start()
        ]
        key, name, shelf = min(keys)
        return [(key, name, shelf, group)] if key < NONE else []

    def _key(self, base: int, start: int, since: int, now: int) -> int:
        """What a shelf is compared by, less being sooner.

        Args:
            base: Of its group.
            start: The latest start of its first item.
            since: When that one came.
        """
        slack = start - now
        if slack <= 0:
            return base
        key = base + slack * LOG_UNIT // self.horizon_us
        linger = self.linger_us
        return key + YIELD if now - since < linger and slack > SPARE * linger else key

    def _first_done(
        self, step: Step, shelf: Shelf, count: int, able: list[Device], busy: dict[str, int]
    ) -> tuple[Device, int, bool]:
        """Which healthy device would be done first with a batch of so many, in how many µs, and whether it is free.

        Args:
            able: The free ones among them; they win a tie.
            busy: Microseconds until devices are free that get, or are left, a batch in this step.
        """
        model, length, now = shelf.key.model, shelf.key.tokens, step.now
        predict = step.fleet.latencies.predict
        best, best_done, is_free = able[0], 1 << 62, True
        for device in able:
            took = predict(model, device.name, count * length, count) * 1_000 // device.weight
            if took < best_done:
                best, best_done = device, took
        for end, device in step.fleet.by_end(model):
            if end - now >= best_done:
                break
            # What is overdue is taken to need as long again as it is over.
            wait = busy.get(device.name) or (abs(end - now) if end else NONE)
            if wait < best_done and length <= device.token_budget:
                took = predict(model, device.name, count * length, count) * 1_000 // device.weight
                if wait + took < best_done:
                    best, best_done, is_free = device, wait + took, False
        return best, best_done, is_free


def _base(group: Group, step: Step) -> int:
    """What the keys of a group's shelves have in common."""
    return step.fleet.latencies.log_density[group.model] - WEIGHTS[group.urgency]
