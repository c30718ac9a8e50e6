"""Policies to compare with: first in first out, round robin, earliest deadline first.

They get the same shelves, batches, devices and probes as `slack_policy`, so that a comparison is about the order of
work and where it goes. None of them limits a batch by time or looks at what a device will be done with.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from agents.scheduling.assignment import Assignment
from agents.scheduling.batching import Step
from agents.scheduling.device import Device
from agents.scheduling.explanation import Why
from agents.scheduling.fleet import Fleet
from agents.scheduling.queues import Queues, Shelf


@dataclass(frozen=True, slots=True)
class _Ordered:
    """One rank for shelves, one for free devices; the least of each go together."""

    name: str
    why: Why
    shelf_rank: Callable[[Step, Queues, Shelf], tuple[Any, ...]]
    device_rank: Callable[[Device], tuple[Any, ...]]

    def step(self, now: int, queues: Queues, devices: Fleet) -> tuple[Assignment, ...]:
        """Everything that is to start at this moment; see `Policy`."""
        step = Step(self.name, now, queues, devices)
        step.probe()
        for device in sorted(devices.free, key=self.device_rank):
            able = [
                shelf
                for shelf in queues.shelves.values()
                if device.takes(shelf.key.model, shelf.key.tokens) and step.left(shelf)
            ]
            if able:
                shelf = min(able, key=lambda each: self.shelf_rank(step, queues, each))
                rank = self.shelf_rank(step, queues, shelf)[0]
                step.take(device, shelf, step.left(shelf), self.why, rank)
        return tuple(step.made)

    def next_call(self, now: int, queues: Queues, devices: Fleet) -> int | None:
        """Nothing ever waits for a moment; see `Policy`."""
        return None


def _by_age(step: Step, _: Queues, shelf: Shelf) -> tuple[int, int]:
    row = step.oldest(shelf)
    assert row is not None
    return row.since, row.number


def _by_deadline(step: Step, _: Queues, shelf: Shelf) -> tuple[Any, ...]:
    return step.left(shelf)[0].item.deadline, shelf.key


def _by_turn(step: Step, queues: Queues, shelf: Shelf) -> tuple[Any, ...]:
    """The queue that was served longest ago, and in it what has waited longest."""
    now_served = sum(shelf.queue == made.explanation.queue for made in step.made)
    turn = queues.served[shelf.key.queue] if not now_served else max(queues.served.values()) + now_served
    return (turn, shelf.key.queue, *_by_age(step, queues, shelf))


def _by_name(device: Device) -> tuple[str]:
    return (device.name,)


def _by_turns(device: Device) -> tuple[int, str]:
    return device.turns, device.name


FIFO: Final = _Ordered("fifo/1", "oldest", _by_age, _by_name)
EARLIEST_DEADLINE: Final = _Ordered("edf/1", "deadline", _by_deadline, _by_name)
"""Liu and Layland, "Scheduling algorithms for multiprogramming in a hard-real-time environment", JACM 20(1), 1973."""

ROUND_ROBIN: Final = _Ordered("round-robin/1", "turn", _by_turn, _by_turns)
"""Queues in turn, devices in turn (Nagle, "On packet switches with infinite storage", RFC 970, 1985)."""
