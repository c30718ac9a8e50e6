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

*Express slots*: on a device that has one, high urgency goes there and nowhere else, beside a batch of other work, and
is computed before it: nothing long is in its way, and long work needs no turns there. A batch that urgent ones have
made stand still for `patience_us` is brought to its end before the next of them. An item's last try has a device to
itself: of two batches on a device that dies nobody knows which one is to blame.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agents.scheduling.assignment import Assignment
from agents.scheduling.batching import Bounds, Step
from agents.scheduling.device import Device, room
from agents.scheduling.fleet import Fleet
from agents.scheduling.latency import LOG_UNIT
from agents.scheduling.places import Places, Slots
from agents.scheduling.queues import Group, Queues, Shelf, ShelfKey
from agents.scheduling.work import Urgency

NAME: Final = "slack/2"
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
        gather_us: So long urgent items that have slack for it wait on a shelf for company before they go into an
            express slot, while the device has other work: nothing stands idle for it.
    """

    horizon_us: int = 20_000
    patience_us: int = 5_000_000
    aged_every: int = 4
    longest_us: int = 25_000
    bear_us: int = 8_000
    fill_us: int = 10_000
    linger_us: int = 3_500
    gather_us: int = 4_000

    def step(self, now: int, queues: Queues, devices: Fleet) -> tuple[Assignment, ...]:
        """Everything that is to start at this moment; see `Policy`."""
        step = Step(NAME, now, queues, devices)
        if devices.degraded:
            step.probe()
        if queues.shelves and (devices.free or devices.urgent):
            self._by_priority(step, self._places(step, queues), queues)
        return tuple(step.made)

    def next_call(self, now: int, queues: Queues, devices: Fleet) -> int | None:
        """When what gathers in a shelf has waited long enough; see `Policy`."""
        if devices.urgent is devices.free or not devices.urgent:
            return None
        gathering = [group for group in queues.groups if group.urgency == Urgency.HIGH]
        ends = [shelf.since + self.gather_us for group in gathering for shelf in group.by_start()]
        return min([end for end in ends if end > now], default=None)

    def _places(self, step: Step, queues: Queues) -> Places:
        """Where work can start by its priority, once what is too old has had its turns."""
        fleet, every = step.fleet, self.aged_every
        other = [each for each in fleet.free if (each.turns + 1) % every or not self._aged(step, each, queues)]
        if fleet.urgent is fleet.free:
            slots = Slots(other, step.made)
            return Places(slots, slots)
        ordinary = {each.name for each in other}
        urgent = []
        for each in fleet.urgent:
            if not each.express:
                if each.name in ordinary:
                    urgent.append(each)
                continue
            if each.name in step.for_one or each.held_us() > self.patience_us:
                continue
            if (each.express_turns + 1) % every or not self._aged(step, each, queues, express=True):
                urgent.append(each)
        started = [each for each in step.made if each.express]
        return Places(
            Slots([each for each in other if each.name not in step.for_one], step.made), Slots(urgent, started)
        )

    def _aged(self, step: Step, device: Device, queues: Queues, *, express: bool = False) -> bool:
        """Give the device, whose turn for that it is, what has waited longest, if it is too long."""
        before = step.now - self.patience_us
        found = [
            (row.since, row.number, shelf)
            for shelf in queues.shelves.values()
            if shelf.since < before
            and (not device.express or (shelf.group.urgency == Urgency.HIGH) == express)
            and device.takes(shelf.key.model, shelf.key.tokens)
            and (row := step.oldest(shelf))
        ]
        if not found:
            return False
        shelf = min(found, key=lambda each: each[:2])[2]
        oldest = step.oldest(shelf)
        assert oldest is not None
        if shelf.key.alone and not step.is_idle(device):
            step.for_one.add(device.name)
            return True
        rows = [oldest, *[each for each in step.left(shelf, device.max_items) if each is not oldest]]
        step.take(device, shelf, rows, "aged", 0, Bounds(self.longest_us, self.fill_us), express=express)
        return True

    def _by_priority(self, step: Step, places: Places, queues: Queues) -> None:
        heads = self._heads(step, places, queues)
        are_apart = places.urgent is not places.other
        seen: dict[Shelf, int] = {}
        left_for_others = 0
        postponed: list[_Head] = []
        last_resort = False
        while (heads or postponed) and left_for_others < MOST_LEFT:
            if not heads:
                # Only long work is left: it is better begun than a device idle.
                heads, postponed, last_resort = postponed[:1], [], True
            head = min(heads)
            heads.remove(head)
            priority, _, shelf, group = head
            key = shelf.key
            seen[shelf] = NONE
            slots = places.of(group.urgency)
            able = [device for device in slots.free if device.takes(key.model, key.tokens)]
            if are_apart and not group.urgency:
                able.sort(key=lambda each: not step.is_idle(each))  # of equal ones where it makes nothing wait
            if key.alone and able:
                able = self._idle(step, able, places)
            rows = step.left(shelf, able[0].max_items) if able else []
            if rows:
                count = 1 if key.alone else min(len(rows), able[0].max_items, able[0].token_budget // key.tokens)
                device, done, is_free = self._first_done(step, shelf, count, able, slots.busy)
                longest = self.longest_us
                if device.express and is_free and self._gathers(step, able, shelf, queues):
                    heads += self._next_head(group, step, seen)
                    continue
                if (
                    is_free
                    and group.urgency
                    and not device.express
                    and self._holds_up(step, device, places.urgent, key.model)
                ):
                    longest = self.bear_us
                    alone = step.fleet.latencies.predict(key.model, device.name, key.tokens, 1)
                    if alone > longest and not last_resort:
                        postponed.append(head)
                        heads += self._next_head(group, step, seen)
                        continue
                if is_free:
                    express = device.express and group.urgency == Urgency.HIGH
                    bounds = Bounds(longest, self.fill_us)
                    step.take(device, shelf, rows, "priority", priority, bounds, express=express)
                    if len(slots.free) == 1 and not are_apart:
                        return
                    places.take(device, slots, done, alone=key.alone)
                    if not places.left():
                        return
                else:
                    step.leave(rows[:count])
                    places.leave(device, slots, done)
                    left_for_others += 1
                if rows := step.left(shelf, 1):
                    seen[shelf] = self._key(_base(group, step), rows[0].start, rows[0].since, step.now)
            if slots.free:
                heads += self._next_head(group, step, seen)
            else:
                heads = [each for each in heads if places.of(each[3].urgency).free]
                postponed = [each for each in postponed if places.of(each[3].urgency).free]

    def _idle(self, step: Step, able: list[Device], places: Places) -> list[Device]:
        """The devices that an item's last try has to itself; when there are none, the next one is kept for it."""
        idle = [each for each in able if step.is_idle(each)]
        if not idle:
            first = min(able, key=lambda each: (max([run.until for run in each.running], default=0), each.name))
            step.for_one.add(first.name)
            places.keep_for_one(first)
        return idle

    def _gathers(self, step: Step, able: list[Device], shelf: Shelf, queues: Queues) -> bool:
        """Whether urgent work waits for more of its kind, while all devices compute what is in their ordinary slots."""
        if shelf.group.urgency != Urgency.HIGH or shelf.key.alone:
            return False
        if step.now - shelf.since >= self.gather_us or shelf.start - step.now <= SPARE * self.linger_us:
            return False
        if any(len(shelf.by_start) >= room(shelf.key.tokens, each.max_items, each.token_budget) for each in able):
            return False
        others_wait = any(queues.work[each] for each in Urgency if each is not Urgency.HIGH)
        return others_wait or not any(step.is_idle(each) for each in able)

    def _holds_up(self, step: Step, device: Device, urgent: Slots, model: str) -> bool:
        """Whether urgent work that came next would have to wait for this device, all others being busy for too long."""
        busy = urgent.busy
        others = [each for each in step.fleet.by_end(model, urgent=True) if each[1].name != device.name]
        waits = [busy.get(other.name) or (abs(end - step.now) if end else 0) for end, other in others]
        return bool(waits) and min(waits) > self.bear_us

    def _heads(self, step: Step, places: Places, queues: Queues) -> list[_Head]:
        """The first shelf of each group that has any and can start somewhere."""
        now, densities = step.now, step.fleet.latencies.log_density
        horizon, linger, apart = self.horizon_us, self.linger_us, self.horizon_us // LOG_UNIT + 1
        are_apart = places.urgent is not places.other
        heads = []
        for group in queues.groups:
            shelves = group.by_start()
            if not shelves or (are_apart and not places.of(group.urgency).free):
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
        urgent = shelf.group.urgency == Urgency.HIGH
        for device in able:
            took = predict(model, device.name, count * length, count) * 1_000 // device.weight
            if device.express and not urgent:
                took += max(device.express_until(now), 0)
            if took < best_done:
                best, best_done = device, took
        for end, device in step.fleet.by_end(model, urgent=urgent):
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
