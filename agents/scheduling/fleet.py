"""The devices together with what is known of their speed: what a policy assigns to."""

from collections.abc import Iterable, Mapping

from agents.scheduling.device import Device, Health
from agents.scheduling.latency import Latencies


class Fleet:
    """Devices by name. A policy only reads it; the scheduler puts changed devices in place of the old ones.

    Attributes:
        free: Devices on which ordinary work can start, by name.
        degraded: Degraded ones, by name.
        ends: When a slot of a device is predicted to be free, by name; 0 when one is.
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

    def next_probe(self, now: int) -> int | None:
        """When the next degraded device may be tried; one whose time has come waits for an item, not for a moment."""
        return min([each.probe_at for each in self.degraded if each.probe_at > now], default=None)

    def _sort(self) -> None:
        """Here, where something changed, and not in every step."""
        ordered = [self._devices[name] for name in sorted(self._devices)]
        self.free = [each for each in ordered if each.has_room()]
        self.ends = {
            each.name: min([run.until for run in each.running]) if len(each.running) >= each.slots else 0
            for each in ordered
        }
        self.degraded = [each for each in ordered if each.health is Health.DEGRADED]
        self._healthy: dict[str, list[Device]] = {}
        for each in ordered:
            if each.health is Health.HEALTHY:
                for model in each.models:
                    self._healthy.setdefault(model, []).append(each)
