"""Where the batches of a step can still start: for high urgency, and for the rest, which have express slots apart."""

from collections.abc import Sequence

from agents.scheduling.assignment import Assignment
from agents.scheduling.device import Device
from agents.scheduling.queues import Group


class Slots:
    """The slots for one kind of work.

    Attributes:
        free: Devices on which it can start.
        busy: By device, microseconds until such a slot is free that gets, or is left, a batch in this step.
    """

    __slots__ = ("busy", "free")

    def __init__(self, free: list[Device], made: Sequence[Assignment]) -> None:
        self.free = free
        self.busy = {each.device: each.predicted for each in made} if made else {}


class Places:
    """The slots for urgent work and for other work.

    Attributes:
        are_apart: They are not the same: a device has an express slot.
    """

    __slots__ = ("_both", "are_apart", "other", "urgent")

    def __init__(self, other: Slots, urgent: Slots) -> None:
        self.other = other
        self.urgent = urgent
        self.are_apart = other is not urgent
        self._both = (other, urgent) if self.are_apart else (other,)

    def of(self, group: Group) -> Slots:
        """Those for the work of a queue and model."""
        return self.urgent if group.is_urgent else self.other

    def is_last(self, slots: Slots) -> bool:
        """Whether nothing can start any more once something does in these."""
        return len(slots.free) == 1 and not self.are_apart

    def take(self, device: Device, slots: Slots, done: int, *, alone: bool) -> None:
        """A batch starts.

        Args:
            slots: Those it is one of.
            done: Microseconds that it takes.
            alone: Nothing else can start on the device then.
        """
        for each in self._both if alone or not device.express else (slots,):
            each.free = [one for one in each.free if one is not device]
        self.leave(device, slots, done)

    def leave(self, device: Device, slots: Slots, done: int) -> None:
        """A batch is left for a busy device, until which it will be done."""
        for each in (slots,) if device.express else self._both:
            each.busy[device.name] = done

    def keep_for_one(self, device: Device) -> None:
        """Nothing more can start on the device: an item's last try is to have it to itself."""
        for each in self._both:
            each.free = [one for one in each.free if one is not device]
