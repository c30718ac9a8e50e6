"""A simulation of devices around the real scheduler: events in order of time, no sleeping, no clock.

A device computes what is in its express slot first, and the batch beside it is done later by exactly that time and the
cost of the interruption. What the processor gives that batch all the same makes the urgent one last longer.

For tests and `bench.scheduling`, and for trying a fleet before buying it. What load arrives and how long batches take
is the caller's.
"""

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from agents.scheduling.assignment import Assignment
from agents.scheduling.scheduler import Fault, Scheduler, Started
from agents.scheduling.work import WorkItem

REFUSAL_US: Final = 1_000
"""How long a device that is down takes to fail what is started on it."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A device fails what it runs at `begins`, and everything until `ends`."""

    device: str
    begins: int
    ends: int


@dataclass(frozen=True, slots=True)
class Done:
    """An item that was answered."""

    item: WorkItem
    at: int


@dataclass(slots=True)
class Outcome:
    """What became of everything.

    Attributes:
        started: Every assignment with its time.
        refused: Items with the reason.
        padding: Padded tokens in answered batches, of `tokens` in all.
    """

    done: list[Done] = field(default_factory=list)
    refused: list[tuple[WorkItem, str]] = field(default_factory=list)
    given_up: list[WorkItem] = field(default_factory=list)
    shed: int = 0
    started: list[tuple[int, Assignment]] = field(default_factory=list)
    tokens: int = 0
    padding: int = 0
    ended: int = 0


@dataclass(frozen=True, slots=True)
class Interruption:
    """What it costs when a batch in an express slot goes before another one.

    Attributes:
        switch_us: Microseconds by which the other is done later, beside what the urgent one takes.
        lent: Of the urgent one's time, the part that the other is computed in all the same: so much longer it lasts.
    """

    switch_us: int = 0
    lent: float = 0.0


FREE: Final = Interruption()


class Simulation:
    """One run.

    Args:
        service: Microseconds that a batch really takes.
        interruption: What going before another batch costs.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        service: Callable[[Assignment], int],
        outages: Sequence[Outage] = (),
        interruption: Interruption = FREE,
    ) -> None:
        self._scheduler = scheduler
        self._service = service
        self._outages = outages
        self._events: list[tuple[int, int, Callable[[int], None]]] = []
        self._count = 0
        self._interruption = interruption
        self._running: dict[int, Started] = {}
        self._ends: dict[int, int] = {}
        self._next_call = -1
        self.outcome = Outcome()

    def run(self, items: Iterable[WorkItem]) -> Outcome:
        """Offer each item when it arrives; go on until nothing happens any more."""
        for outage in self._outages:
            self._at(outage.begins, partial(self._fail_all, outage.device))
        for item in items:
            self._at(item.arrived, partial(self._offer, item))
        while self._events:
            now = self._events[0][0]
            while self._events and self._events[0][0] == now:
                heapq.heappop(self._events)[2](now)
            self._start(now)
        return self.outcome

    def _at(self, time: int, event: Callable[[int], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (time, self._count, event))

    def _offer(self, item: WorkItem, now: int) -> None:
        admission = self._scheduler.offer(item, now)
        if admission.reason is not None:
            self.outcome.refused.append((item, admission.reason))
        self.outcome.shed += admission.shed_from(item)

    def _start(self, now: int) -> None:
        for each in self._scheduler.assign(now):
            self.outcome.started.append((now, each.assignment))
            self._running[each.number] = each
            down = any(out.device == each.assignment.device and out.begins <= now < out.ends for out in self._outages)
            if down:
                self._at(now + REFUSAL_US, partial(self._fail, each.number))
            else:
                self._compute(each, now)
        call = self._scheduler.next_call(now)
        if call is not None and call != self._next_call:
            self._next_call = call
            self._at(call, lambda _: None)

    def _compute(self, started: Started, now: int) -> None:
        number, assignment = started.number, started.assignment
        took = self._service(assignment)
        beside = [
            each.number
            for each in self._running.values()
            if each.assignment.device == assignment.device and each.assignment.express != assignment.express
        ]
        ends = now + took
        if assignment.express:
            if beside:
                ends += int(took * self._interruption.lent)
            for other in beside:
                self._ends[other] = self._ends.get(other, now) + took + self._interruption.switch_us
        else:
            ends += max([self._ends[other] - now for other in beside if other in self._ends], default=0)
        self._ends[number] = ends
        self._at(ends, partial(self._complete, number, took))

    def _complete(self, number: int, took: int, now: int) -> None:
        if number in self._running and self._ends[number] > now:
            self._at(self._ends[number], partial(self._complete, number, took))
            return
        self._ends.pop(number, None)
        started = self._running.pop(number, None)
        items = self._scheduler.completed(number, took)
        if started is None:
            assert not items  # it had failed before
            return
        self.outcome.done.extend([Done(item, now) for item in items])
        self.outcome.tokens += started.assignment.tokens
        self.outcome.padding += started.assignment.tokens - sum(item.tokens for item in items)
        self.outcome.ended = now

    def _fail(self, number: int, now: int) -> None:
        self._ends.pop(number, None)
        if self._running.pop(number, None) is not None:
            self.outcome.given_up.extend(self._scheduler.failed(number, Fault.DEVICE, now))

    def _fail_all(self, device: str, now: int) -> None:
        for number, each in list(self._running.items()):
            if each.assignment.device == device:
                self._fail(number, now)
