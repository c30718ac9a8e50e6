"""The aged turn: every few batches of a device, one is for what has waited longest there, if that is too long."""

from typing import NamedTuple

from agents.scheduling.batching import Bounds, Step
from agents.scheduling.device import Device
from agents.scheduling.places import Places, Slots
from agents.scheduling.queues import Queued, Queues, Shelf


class Ageing(NamedTuple):
    """When a turn is for age.

    Attributes:
        patience_us: Longer waiting is too long.
        every: Of so many batches of a slot, one is for what has waited longest.
        bounds: Of such a batch.
    """

    patience_us: int
    every: int
    bounds: Bounds

    def places_left(self, step: Step, queues: Queues) -> Places:
        """Where work can start by its priority, once what is too old has had its turns."""
        fleet, every = step.fleet, self.every
        other = [each for each in fleet.free if (each.turns + 1) % every or not self._start(step, queues, each)]
        if fleet.urgent is fleet.free:
            slots = Slots(other, step.made)
            return Places(slots, slots)
        urgent = self._urgent_left(step, queues, {each.name for each in other})
        started = [each for each in step.made if each.express]
        ordinary = [each for each in other if each.name not in step.for_one]
        return Places(Slots(ordinary, step.made), Slots(urgent, started))

    def _urgent_left(self, step: Step, queues: Queues, ordinary: set[str]) -> list[Device]:
        """Devices on which urgent work can start: beside a batch that stood still for too long nothing can.

        Args:
            ordinary: Names of those that have an ordinary slot left.
        """
        left = []
        for each in step.fleet.urgent:
            if not each.express:
                if each.name in ordinary:
                    left.append(each)
            elif each.name not in step.for_one and each.held_us() <= self.patience_us:
                is_aged_turn = (each.express_turns + 1) % self.every == 0
                if not is_aged_turn or not self._start(step, queues, each, express=True):
                    left.append(each)
        return left

    def _start(self, step: Step, queues: Queues, device: Device, *, express: bool = False) -> bool:
        """Give the device, whose turn for that it is, what has waited longest, if it is too long."""
        found = self._oldest(step, queues, device, express=express)
        if found is None:
            return False
        oldest, shelf = found
        if shelf.key.alone and not step.is_idle(device):
            step.for_one.add(device.name)
            return True
        rows = [oldest, *[each for each in step.left(shelf, device.max_items) if each is not oldest]]
        step.take(device, shelf, rows, "aged", 0, self.bounds, express=express)
        return True

    def _oldest(self, step: Step, queues: Queues, device: Device, *, express: bool) -> tuple[Queued, Shelf] | None:
        """What has waited longest for such a slot of the device, of what has waited too long."""
        before = step.now - self.patience_us
        found = [
            (row.since, row.number, row, shelf)
            for shelf in queues.shelves.values()
            if shelf.since < before
            and (not device.express or shelf.group.is_urgent is express)
            and device.takes(shelf.key.model, shelf.key.tokens)
            and (row := step.oldest(shelf))
        ]
        return min(found)[2:] if found else None
