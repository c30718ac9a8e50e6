"""A device and the states of its health; every transition gives a new device. Choosing one is a policy's part.

The states are those of a circuit breaker (Nygard, "Release It!", 2007, chapter 5): healthy is closed, degraded open,
probing half open. A degraded device gets nothing until its pause is over, then one probe; a probe that fails doubles
the pause.

    healthy  --failed-->  degraded  --started (a probe)-->  probing  --finished-->  healthy
                              ^-------------failed-------------'
"""

import enum
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

FIRST_PAUSE_US: Final = 100_000
LONGEST_PAUSE_US: Final = 30_000_000
STRIKES: Final = 3
"""Batches in a row whose failure was put down to the work, after which the device is suspected all the same."""


def room(tokens: int, max_items: int, token_budget: int) -> int:
    """How many items padded to so many tokens one batch may have; 0 when not even one."""
    return min(max_items, token_budget // tokens)


class Health(enum.StrEnum):
    """Whether a device gets work."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    PROBING = "probing"


class Running(NamedTuple):
    """A batch under way.

    Attributes:
        number: The assignment's.
        until: When it is predicted to be done.
        express: It is in the express slot.
        alone: Nothing else may run on the device meanwhile: it is the last try of its item.
        held_us: Microseconds that urgent batches made it wait, or will have, as far as they have begun.
    """

    number: int
    until: int
    express: bool = False
    alone: bool = False
    held_us: int = 0


@dataclass(frozen=True, slots=True)
class Device:
    """Something that runs batches.

    Attributes:
        models: Those it has loaded.
        slots: Batches at the same time.
        express: Beside those it has a slot for one batch of high urgency, which is computed before them. That adds no
            capacity: what is in the other slots stands still meanwhile.
        weight: How willingly it is used, 1,000 being as predicted: with 500 its work counts as taking twice as long.
        max_items: Items in a batch.
        token_budget: Padded tokens in a batch.
        failures: In a row.
        strikes: Failures in a row that were put down to the work.
        probe_at: When a degraded device may be tried again.
        turns: Batches it was given so far; in the express slot they are counted by `express_turns`.
    """

    name: str
    models: frozenset[str]
    slots: int = 1
    express: bool = False
    weight: int = 1_000
    max_items: int = 64
    token_budget: int = 8_192
    health: Health = Health.HEALTHY
    failures: int = 0
    strikes: int = 0
    probe_at: int = 0
    running: tuple[Running, ...] = ()
    turns: int = 0
    express_turns: int = 0

    def takes(self, model: str, tokens: int) -> bool:
        """Whether an item of this model and length can run here at all."""
        return model in self.models and tokens <= self.token_budget

    def has_room(self) -> bool:
        """Whether work can start here now, in an ordinary slot."""
        taken = sum([not run.express for run in self.running])
        return self.health is Health.HEALTHY and taken < self.slots and not self._is_for_one()

    def has_room_for_urgent(self) -> bool:
        """Whether work of high urgency can start here now: in the express slot, where there is one."""
        if not self.express:
            return self.has_room()
        taken = any(run.express for run in self.running)
        return self.health is Health.HEALTHY and not taken and not self._is_for_one()

    def express_until(self, now: int) -> int:
        """Microseconds until nothing goes before what is in the ordinary slots, as predicted."""
        return max([run.until - now for run in self.running if run.express], default=0)

    def held_us(self) -> int:
        """Microseconds that the batch which urgent ones made wait longest stands still."""
        return max([run.held_us for run in self.running], default=0)

    def wants_probe(self, now: int) -> bool:
        """Whether it is time to try a degraded device again."""
        return self.health is Health.DEGRADED and self.probe_at <= now and not self.running

    def started(self, run: Running) -> "Device":
        """With a batch more; on a degraded device it is a probe."""
        health = Health.PROBING if self.health is Health.DEGRADED else self.health
        running = (*self.running, run)
        if run.express:
            return replace(self, health=health, running=running, express_turns=self.express_turns + 1)
        return replace(self, health=health, running=running, turns=self.turns + 1)

    def held(self, by_us: int) -> "Device":
        """With what is in the ordinary slots done so much later, because of an urgent batch."""
        later = [
            run if run.express else run._replace(until=run.until + by_us, held_us=run.held_us + by_us)
            for run in self.running
        ]
        return replace(self, running=tuple(later))

    def finished(self, number: int) -> "Device":
        """With a batch done. What a device brings to its end after it was degraded doesn't heal it: a probe does."""
        running = self._without(number)
        if self.health is Health.DEGRADED:
            return replace(self, running=running)
        return replace(self, health=Health.HEALTHY, running=running, failures=0, strikes=0)

    def failed(self, number: int, now: int) -> "Device":
        """With a batch failed, and the device to blame."""
        pause = min(FIRST_PAUSE_US << min(self.failures, 20), LONGEST_PAUSE_US)
        if self.health is Health.DEGRADED:  # one failure, told by several batches
            return replace(self, running=self._without(number))
        return replace(
            self,
            health=Health.DEGRADED,
            running=self._without(number),
            failures=self.failures + 1,
            strikes=0,
            probe_at=now + pause,
        )

    def struck(self, number: int, now: int) -> "Device":
        """With a batch failed, and its work to blame, unless that is said too often."""
        if self.health is Health.PROBING or self.strikes + 1 >= STRIKES:
            return self.failed(number, now)
        return replace(self, running=self._without(number), strikes=self.strikes + 1)

    def _is_for_one(self) -> bool:
        return any(run.alone for run in self.running)

    def _without(self, number: int) -> tuple[Running, ...]:
        return tuple(run for run in self.running if run.number != number)
