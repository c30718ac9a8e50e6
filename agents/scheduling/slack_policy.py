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
Beside an express slot it is `beside_us`.

*Long work takes turns*: what is not urgent goes to a device for more than `bear_us` only while another one will be free
sooner than that. Of several devices one is then always free soon, and none stands idle for it: shorter work goes first,
and where there is none the long work is begun all the same.

*Express slots*: on a device that has one, high urgency goes there and nowhere else, beside a batch of other work, and
is computed before it: nothing long is in its way, and long work needs no turns there. A batch that urgent ones have
made stand still for `patience_us` is brought to its end before the next of them. An item's last try has a device to
itself: of two batches on a device that dies nobody knows which one is to blame.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

from agents.scheduling.ageing import Ageing
from agents.scheduling.assignment import Assignment
from agents.scheduling.batching import Bounds, Step
from agents.scheduling.choice import able_devices, first_done, holds_up
from agents.scheduling.device import room
from agents.scheduling.fleet import Fleet
from agents.scheduling.gathering import gathering, next_gathered
from agents.scheduling.places import Places
from agents.scheduling.queues import Queues
from agents.scheduling.ranking import SPARE, Head, Ranking

NAME: Final = "slack/2"

MOST_LEFT: Final = 16
"""Batches left for busy devices in one step: what is slower by more than that stays idle, and a step stays short."""


Turn = Literal["last", "left", "passed", "postponed", "started"]
"""What became of a shelf's turn: begun in the last place there was, left for a busy device, passed over, to come when
nothing else does, begun."""


@dataclass(frozen=True, slots=True)
class SlackPolicy:
    """See the module.

    Attributes:
        horizon_us: An item with so much more slack counts half.
        patience_us: Waiting beyond it is made good by age.
        aged_every: Of so many batches of a device, one is for what has waited longest.
        longest_us: A batch of several items is predicted to take no longer.
        beside_us: The same beside an express slot: nothing urgent waits for its end.
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
    beside_us: int = 40_000
    bear_us: int = 8_000
    fill_us: int = 10_000
    linger_us: int = 3_500
    gather_us: int = 7_000
    _ageing: Ageing = field(init=False, repr=False, compare=False)
    _bounds: Bounds = field(init=False, repr=False, compare=False)
    _beside: Bounds = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """What steps would make again and again."""
        bounds = Bounds(self.longest_us, self.fill_us)
        object.__setattr__(self, "_bounds", bounds)
        object.__setattr__(self, "_beside", Bounds(self.beside_us, self.fill_us))
        object.__setattr__(self, "_ageing", Ageing(self.patience_us, self.aged_every, bounds))

    def step(self, now: int, queues: Queues, devices: Fleet) -> tuple[Assignment, ...]:
        """Everything that is to start at this moment; see `Policy`."""
        step = Step(NAME, now, queues, devices)
        if devices.degraded:
            step.probe()
        if queues.shelves and (devices.free or devices.urgent):
            self._by_priority(step, self._ageing.places_left(step, queues), queues)
        return tuple(step.made)

    def next_call(self, now: int, queues: Queues, devices: Fleet) -> int | None:
        """When what gathers in a shelf has waited long enough; see `Policy`."""
        if devices.urgent is devices.free or not devices.urgent:
            return None
        return next_gathered(now, queues, self.gather_us)

    def _by_priority(self, step: Step, places: Places, queues: Queues) -> None:
        """Give shelves their turns, the first by its key first, until there is no place or all had theirs."""
        waiting = gathering(step, places, queues, self.gather_us, SPARE * self.linger_us) if places.are_apart else None
        ranking = Ranking(step, self.horizon_us, self.linger_us, waiting)
        ranking.put_first(queues.groups, places)
        left_for_others = 0
        while left_for_others < MOST_LEFT and (head := ranking.pop()):
            turn = self._turn(step, places, head, last_resort=ranking.last_resort)
            if turn == "last":
                return
            _, _, shelf, group = head
            if turn == "postponed":
                ranking.postpone(head)
            elif turn != "passed":
                ranking.put_back(shelf)
                left_for_others += turn == "left"
            if places.of(group).free:
                ranking.put_next(group)
            else:
                ranking.drop_placeless(places)

    def _turn(self, step: Step, places: Places, head: Head, *, last_resort: bool) -> Turn:
        """Start a batch of a head's shelf where it is done first, if it needn't wait."""
        priority, _, shelf, group = head
        able = able_devices(step, places, shelf)
        rows = step.left(shelf, able[0].max_items) if able else []
        if not rows:
            return "passed"
        key, slots, is_urgent = shelf.key, places.of(group), group.is_urgent
        count = 1 if key.alone else min(len(rows), room(key.tokens, able[0].max_items, able[0].token_budget))
        device, done, is_free = first_done(step, shelf, count, able, slots.busy)
        if not is_free:
            step.leave(rows[:count])
            places.leave(device, slots, done)
            return "left"
        bounds = self._beside if device.express and not is_urgent else self._bounds
        if not is_urgent and not device.express and holds_up(step, device, places.urgent, key.model, self.bear_us):
            if not last_resort and step.fleet.latencies.predict(key.model, device.name, key.tokens, 1) > self.bear_us:
                return "postponed"
            bounds = Bounds(self.bear_us, self.fill_us)
        step.take(device, shelf, rows, "priority", priority, bounds, express=device.express and is_urgent)
        if places.is_last(slots):
            return "last"
        places.take(device, slots, done, alone=key.alone)
        return "started"
