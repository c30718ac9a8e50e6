"""The devices together with what is known of their speed: what a policy assigns to."""

from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Final

from agents.scheduling.device import Device, Health
from agents.scheduling.latency import Latencies

_FIRST: Final = itemgetter(0)


class Fleet:
    """Devices by name. A policy only reads it; the scheduler puts changed devices in place of the old ones.

    Attributes:
        free: Devices on which work can start in an ordinary slot, by name.
        urgent: Devices on which work of high urgency can start, by name; without express slots the very list `free`.
        degraded: Degraded ones, by name.
    """

    def __init__(self, devices: Iterable[Device], latencies: Latencies) -> None:
        self._devices = {device.name: device for device in devices}
        self.latencies = latencies
        self._sort()

    @property
    def devices(self) -> Mapping[str, Device]:
        """All of them."""
        return self._devices

    def put(self, device: Device) -> None:
        """Add a device, or put it in place of the one of its name."""
        self._devices[device.name] = device
        self._sort()

    def healthy(self, model: str, tokens: int) -> list[Device]:
        """Healthy devices that can run such an item, by name."""
        return [each for each in self._healthy.get(model, ()) if tokens <= each.token_budget]

    def by_end(self, model: str, *, urgent: bool) -> list[tuple[int, Device]]:
        """Healthy devices that have a model, by when a slot of theirs is predicted to be free: 0 when one is.

        Args:
            urgent: For work of high urgency.
        """
        return (self._urgent_by_end if urgent else self._by_end).get(model, [])

    def next_probe(self, now: int) -> int | None:
        """When the next degraded device may be tried; one whose time has come waits for an item, not for a moment."""
        return min([each.probe_at for each in self.degraded if each.probe_at > now], default=None)

    def _sort(self) -> None:
        """Here, where something changed, and not in every step."""
        ordered = [self._devices[name] for name in sorted(self._devices)]
        express = any(each.express for each in ordered)
        self.free = [each for each in ordered if each.has_room()]
        self.urgent = [each for each in ordered if each.has_room_for_urgent()] if express else self.free
        self.degraded = [each for each in ordered if each.health is Health.DEGRADED]
        self._healthy: dict[str, list[Device]] = {}
        for each in ordered:
            if each.health is Health.HEALTHY:
                for model in each.models:
                    self._healthy.setdefault(model, []).append(each)
        self._by_end = {model: _by_end(healthy, urgent=False) for model, healthy in self._healthy.items()}
        self._urgent_by_end = (
            {model: _by_end(healthy, urgent=True) for model, healthy in self._healthy.items()}
            if express
            else self._by_end
        )


def _by_end(devices: Iterable[Device], *, urgent: bool) -> list[tuple[int, Device]]:
    return sorted([(_end(each, urgent=urgent), each) for each in devices], key=_FIRST)


def _end(device: Device, *, urgent: bool) -> int:
    if device.has_room_for_urgent() if urgent else device.has_room():
        return 0
    express = urgent and device.express
    return min([run.until for run in device.running if run.express == express or run.alone])
