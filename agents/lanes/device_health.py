"""What the health and whoever observes are told of an infer worker's devices. Their states are `agents.scheduling`'s.

A device that is degraded gets no work but one batch to try it with. While another one works, the worker does its job;
while none does, it does not, and a process that says it is ready would be a lie.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from agents.commits.observation import BatchAnswered, BatchFailed, Observer
from agents.inference.padding import Counted
from agents.inference.text_model import GivesWay, InferenceDevice, PreparedText, TextAnswer
from agents.scheduling.device import Device, Health
from streams.health import Health as ProcessHealth

_WHY: Final = "failed, and is tried again; the worker's log has device.failed or device.batch_failed"


class DeviceHealth:
    """Tells what has changed."""

    def __init__(self, health: ProcessHealth, observer: Observer) -> None:
        self._health = health
        self._observer = observer
        self._told: dict[str, Health] = {}

    def tell(self, devices: Mapping[str, Device]) -> None:
        """Tell the states of all devices, if one has another than before."""
        states = {name: each.health for name, each in devices.items()}
        if states == self._told:
            return
        self._told = states
        self._observer.devices({name: state.value for name, state in states.items()})
        any_works = Health.HEALTHY in states.values()
        for name, state in states.items():
            part = f"device {name}"
            if state is Health.HEALTHY:
                self._health.working(part)
            elif any_works:
                self._health.degraded(part, _WHY)
            else:
                self._health.waiting(part, _WHY)

    def forget(self) -> None:
        """The devices are gone in good order."""
        for name in self._told:
            self._health.forget(f"device {name}")
        self._told = {}
        self._observer.devices({})


class BatchWatch:
    """Observes one batch, from before it is asked for. A slot has one at a time, so that its count tells padding."""

    def __init__(
        self,
        observer: Observer,
        device: InferenceDevice,
        model: str,
        texts: Sequence[PreparedText],
        traceparents: Sequence[str],
    ) -> None:
        self._observer = observer
        self._traceparents = traceparents
        self._device = device
        self._model = model
        self._texts = texts
        self._before = self._padded()

    def answered(self, answers: Sequence[TextAnswer], took_us: int) -> None:
        """Tell of it."""
        tokens = sum(text.tokens for text in self._texts)
        padded = self._padded() - self._before or tokens
        abstained = sum(answer.abstained for answer in answers)
        self._observer.batch_answered(
            BatchAnswered(
                self._device.name,
                self._model,
                len(answers),
                tokens,
                padded,
                took_us / 1e6,
                abstained,
                self._traceparents,
            )
        )

    def failed(self, fault: str, took_us: int) -> None:
        """Tell that it has no answer."""
        self._observer.batch_failed(
            BatchFailed(self._device.name, self._model, len(self._texts), fault, took_us / 1e6, self._traceparents)
        )

    def _padded(self) -> int:
        return self._device.padding.padded if isinstance(self._device, Counted) else 0


def stood_still(device: InferenceDevice) -> int:
    """Microseconds for which a device's last batch gave way to urgent ones: they are not what such a batch takes."""
    return device.held_us if isinstance(device, GivesWay) else 0
