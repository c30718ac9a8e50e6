"""The state around a policy: what waits, runs, was learnt, is retried. It reads no clock and does no I/O.

The worker that runs engines offers items, starts what `assign` gives, and tells what became of it, each time with its
own `now`. Nothing is lost or doubled: an item is waiting, running, done, or given back, and in one of these only. An
answer for a batch that is not running (any more) changes nothing, so that a device which hung and was given up may
still answer.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from agents.scheduling.admission import Admission, Limits, admit, room, work_of
from agents.scheduling.assignment import Assignment, Policy
from agents.scheduling.device import Device, Health, Running
from agents.scheduling.fleet import Fleet
from agents.scheduling.queues import QueueKey, Queues, rounded
from agents.scheduling.work import WorkItem

ATTEMPTS: Final = 3
"""Batches in which an item may fail. The last one it runs in alone, so that no neighbour can be what failed."""


class Fault(enum.StrEnum):
    """What a failed batch is put down to."""

    DEVICE = "device"
    WORK = "work"


@dataclass(frozen=True, slots=True)
class Started:
    """An assignment under its number."""

    number: int
    assignment: Assignment


class Scheduler:
    """One process's work on its devices."""

    def __init__(self, policy: Policy, fleet: Fleet, limits: Limits | None = None) -> None:
        self.queues = Queues()
        self.fleet = fleet
        self._policy = policy
        self._limits = limits or Limits()
        self._running: dict[int, Started] = {}
        self._begun: set[str] = set()
        self._number = 0

    def __len__(self) -> int:
        """Items that wait or run."""
        return len(self.queues) + len(self._begun)

    def offer(self, item: WorkItem, now: int) -> Admission:
        """Take an item, if it can be done in time; see `admission`."""
        if item.id in self.queues or item.id in self._begun:
            return Admission(None, "known", 0)
        length = rounded(item.tokens)
        work = work_of(item, length, self.fleet)
        admission = admit(item, length, work, now, self.queues, self.fleet, self._limits)
        if admission.item is not None and work is not None:
            self.queues.add(admission.item, now, work=work.alone, share=work.share)
        return admission

    def room(self) -> int:
        """How many more items should be fetched."""
        return room(self.queues, self.fleet, self._limits)

    def assign(self, now: int) -> list[Started]:
        """What has to be started now; it counts as running from here on."""
        started: list[Started] = []
        while assignments := self._policy.step(now, self.queues, self.fleet):
            started.extend([self._start(each, now) for each in assignments])
        return started

    def completed(self, number: int, took_us: int) -> Sequence[WorkItem]:
        """A batch was answered: its items are done. Nothing when it was given up before.

        Args:
            took_us: On the device, not counting what an urgent batch took that went before it.
        """
        started = self._running.pop(number, None)
        if started is None:
            return ()
        done = started.assignment
        size = sum(item.size for item in done.items)
        model = done.items[0].model
        self.fleet.latencies.observe(model, done.device, done.tokens, len(done.items), size, took_us)
        device = self.fleet.devices[done.device].finished(number)
        self.fleet.put(device.held(took_us - done.predicted) if done.express else device)
        self._begun.difference_update([item.id for item in done.items])
        return done.items

    def failed(self, number: int, fault: Fault, now: int) -> Sequence[WorkItem]:
        """A batch has no answer: its items wait again, those that failed too often are given back to be reported."""
        started = self._running.pop(number, None)
        if started is None:
            return ()
        device = self.fleet.devices[started.assignment.device]
        probe = device.health is Health.PROBING
        self.fleet.put(device.failed(number, now) if fault is Fault.DEVICE else device.struck(number, now))
        given_up = []
        for item in started.assignment.items:
            self._begun.discard(item.id)
            # A probe that fails says more of the device: it never is an item's last attempt.
            attempts = min(item.attempts + 1, ATTEMPTS - 1) if probe else item.attempts + 1
            again = msgspec.structs.replace(item, attempts=attempts)
            if attempts >= ATTEMPTS:
                given_up.append(again)
            else:
                self._requeue(again, now)
        return given_up

    def lost(self, device: str, now: int) -> Sequence[WorkItem]:
        """A device is gone with all it was running; the same as a failure of each batch."""
        numbers = [number for number, each in self._running.items() if each.assignment.device == device]
        return [item for number in numbers for item in self.failed(number, Fault.DEVICE, now)]

    def add(self, device: Device) -> None:
        """A device joins; one of its name was another."""
        self.fleet.latencies.forget(device.name)
        self.fleet.put(device)

    def withdraw(self, item_id: str) -> WorkItem | None:
        """Take a waiting item back, for example because its lane has dead-lettered it; None if it doesn't wait."""
        return self.queues.remove(item_id) if item_id in self.queues else None

    def next_probe(self, now: int) -> int | None:
        """When a degraded device may be tried again."""
        return self.fleet.next_probe(now)

    def next_call(self, now: int) -> int | None:
        """When `assign` has something to do even if nothing else happens."""
        times = (self.next_probe(now), self._policy.next_call(now, self.queues, self.fleet))
        return min([each for each in times if each is not None], default=None)

    def _start(self, assignment: Assignment, now: int) -> Started:
        self._number += 1
        for item in assignment.items:
            self.queues.remove(item.id)
            self._begun.add(item.id)
        first = assignment.items[0]
        self.queues.served[QueueKey(first.modality, first.urgency)] = self._number
        device = self.fleet.devices[assignment.device]
        predicted, express = assignment.predicted, assignment.express
        until = now + predicted + (0 if express else device.express_until(now))
        run = Running(self._number, until, express, assignment.alone)
        self.fleet.put((device.held(predicted) if express else device).started(run))
        started = self._running[self._number] = Started(self._number, assignment)
        return started

    def _requeue(self, item: WorkItem, now: int) -> None:
        work = work_of(item, rounded(item.tokens), self.fleet)
        assert work is not None  # it was admitted, and devices are replaced, never taken away
        self.queues.add(item, now, work=work.alone, share=work.share, alone=item.attempts >= ATTEMPTS - 1)
