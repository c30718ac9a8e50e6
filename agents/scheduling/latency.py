"""How long a batch will take: learnt online for each model, device and shape of batch. Nothing here reads a clock.

A prediction is the model's prior (a straight line in the padded tokens) times the ratio of measured to prior times that
was last seen. The ratio is an order statistic over a short window of the newest measurements, as Clockwork's controller
does it (Gujarati et al., "Serving DNNs like Clockwork", OSDI 2020, section 5.3): the median of 16 is not moved by seven
outliers, and follows a device that became slower after nine batches. Clockwork keeps a window for each batch size,
since its inputs have one size; ours have lengths, so that a cell here is a power of two of padded tokens and one of
items, and the ratio carries over within it and, until it is known, from the model's other batches on the device.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

WINDOW: Final = 16
"""Measurements kept in a cell."""

SETTLED: Final = 3
"""Measurements from which a cell is believed; before, all batches of the model on the device are asked."""

LARGEST_RATIO: Final = 1_000_000
"""Thousand times the prior: beyond it a measurement says that something hung, not how fast the device is."""

LOG_UNIT: Final = 1024
"""Parts of a power of two in `log_density`."""


class ModelProfile(msgspec.Struct, frozen=True):
    """What is assumed of a model before anything is measured.

    Attributes:
        fixed_us: Microseconds a batch costs whatever is in it.
        token_ns: Nanoseconds for each padded token.
    """

    fixed_us: int
    token_ns: int

    def prior(self, tokens: int) -> int:
        """Microseconds for a batch of so many padded tokens; at least one."""
        return self.fixed_us + self.token_ns * tokens // 1_000 or 1


class _Cell(msgspec.Struct, frozen=True, gc=False):
    """The newest measurements of one kind, and what is read from them."""

    window: tuple[int, ...]
    median: int
    high: int

    def with_one_more(self, value: int) -> "_Cell":
        return _cell((*self.window, value)[-WINDOW:])


def _cell(window: tuple[int, ...]) -> _Cell:
    ordered = sorted(window)
    return _Cell(window, ordered[len(ordered) // 2], ordered[len(ordered) * 9 // 10])


class Latencies:
    """What was learnt so far. Memory is bounded by models x devices x shapes, a shape being two small exponents."""

    def __init__(self, profiles: Mapping[str, ModelProfile]) -> None:
        self._profiles = profiles
        self._priors = {name: (profile.fixed_us, profile.token_ns) for name, profile in profiles.items()}
        self._shapes: dict[tuple[str, str, int, int], _Cell] = {}
        self._settled: dict[tuple[str, str, int, int], _Cell] = {}
        """Those of them that are believed."""
        self._devices: dict[tuple[str, str], _Cell] = {}
        self._densities: dict[str, _Cell] = {}
        self.log_density = {name: _log2(profile.token_ns) for name, profile in profiles.items()}
        """Model to log2 of its compute density (nanoseconds of work a byte), in parts of `LOG_UNIT`. Unmeasured, a
        token counts as a byte: only the order of the models matters."""

    def predict(self, model: str, device: str, tokens: int, items: int) -> int:
        """Microseconds that a batch will probably take.

        Args:
            tokens: Padded: items times the longest.
        """
        cell = self._settled.get((model, device, tokens.bit_length(), items.bit_length()))
        if cell is None:
            cell = self._devices.get((model, device))
        fixed_us, token_ns = self._priors[model]
        prior = fixed_us + token_ns * tokens // 1_000 or 1
        return prior if cell is None else prior * cell.median // 1_000 or 1

    def worst(self, model: str, device: str, tokens: int, items: int) -> int:
        """Microseconds that nine of ten such batches take at most: what a deadline is compared with."""
        cell = self._settled.get((model, device, tokens.bit_length(), items.bit_length()))
        if cell is None:
            cell = self._devices.get((model, device))
        fixed_us, token_ns = self._priors[model]
        prior = fixed_us + token_ns * tokens // 1_000 or 1
        return prior if cell is None else prior * cell.high // 1_000 or 1

    def observe(self, model: str, device: str, tokens: int, items: int, size: int, took_us: int) -> None:
        """Learn from a batch that was done.

        Args:
            size: Bytes of its payloads together.
        """
        prior = self._profiles[model].prior(tokens)
        ratio = min(max(took_us * 1_000 // prior, 1), LARGEST_RATIO)
        shape = (model, device, tokens.bit_length(), items.bit_length())
        cell = self._shapes[shape] = _added(self._shapes.get(shape), ratio)
        if len(cell.window) >= SETTLED:
            self._settled[shape] = cell
        self._devices[model, device] = _added(self._devices.get((model, device)), ratio)
        density = _added(self._densities.get(model), max(took_us * 1_000 // max(size, 1), 1))
        self._densities[model] = density
        self.log_density[model] = _log2(density.median)

    def forget(self, device: str) -> None:
        """A device came back, maybe as another: what it was says nothing any more."""
        self._shapes = {key: cell for key, cell in self._shapes.items() if key[1] != device}
        self._settled = {key: cell for key, cell in self._settled.items() if key[1] != device}
        self._devices = {key: cell for key, cell in self._devices.items() if key[1] != device}

    def __len__(self) -> int:
        """Cells that are kept."""
        return len(self._shapes) + len(self._devices) + len(self._densities)


def _added(cell: _Cell | None, value: int) -> _Cell:
    return _cell((value,)) if cell is None else cell.with_one_more(value)


def _log2(value: int) -> int:
    """log2 in parts of `LOG_UNIT`, a straight line between powers of two: integers give the same on every machine."""
    power = max(value, 1).bit_length() - 1
    return (power - 1) * LOG_UNIT + (max(value, 1) * LOG_UNIT >> power)
