"""What a policy answers: a batch for a device; and the protocol of policies."""

from typing import Protocol

import msgspec

from agents.scheduling.explanation import Explanation
from agents.scheduling.fleet import Fleet
from agents.scheduling.queues import Queues
from agents.scheduling.work import WorkItem


class Assignment(msgspec.Struct, frozen=True):
    """A batch that a device is to start now.

    Attributes:
        tokens: Padded: items times the longest.
        predicted: Microseconds it will probably take, not counting those in which urgent batches go before it.
        express: It goes into the device's express slot.
        alone: Nothing else may run on the device meanwhile.
    """

    device: str
    items: tuple[WorkItem, ...]
    tokens: int
    predicted: int
    explanation: Explanation
    express: bool = False
    alone: bool = False


class Policy(Protocol):
    """Decides what runs next, and where. Pure: no clock, no I/O, no randomness, and nothing given is changed."""

    def step(self, now: int, queues: Queues, devices: Fleet) -> tuple[Assignment, ...]:
        """Everything that is to start at this moment.

        Args:
            now: Microseconds of the clock that arrivals and deadlines are told by.
        """
        ...

    def next_call(self, now: int, queues: Queues, devices: Fleet) -> int | None:
        """When there is something to start even if nothing else happens, as far as it is not a probe."""
        ...
