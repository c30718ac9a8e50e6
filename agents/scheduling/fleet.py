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
        free: Devices on which ordinary work can start, by name.
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

    def by_end(self, model: str) -> list[tuple[int, Device]]:
        """Healthy devices that have a model, by when a slot of theirs is predicted to be free: 0 when one is."""
        return self._by_end.get(model, [])

    def next_probe(self, now: int) -> int | None:
        """When the next degraded device may be tried; one whose time has come waits for an item, not for a moment."""
        return min([each.probe_at for each in self.degraded if each.probe_at > now], default=None)

    def _sort(self) -> None:
        """Here, where something changed, and not in every step."""
        ordered = [self._devices[name] for name in sorted(self._devices)]
        self.free = [each for each in ordered if each.has_room()]
        self.degraded = [each for each in ordered if each.health is Health.DEGRADED]
        self._healthy: dict[str, list[Device]] = {}
        self._by_end: dict[str, list[tuple[int, Device]]] = {}
        for each in ordered:
            if each.health is Health.HEALTHY:
                for model in each.models:
                    self._healthy.setdefault(model, []).append(each)
        for model, healthy in self._healthy.items():
            self._by_end[model] = sorted([(_end(each), each) for each in healthy], key=_FIRST)


def _end(device: Device) -> int:
    return min([run.until for run in device.running]) if len(device.running) >= device.slots else 0
