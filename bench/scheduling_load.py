"""A mixed load for the scheduler and the devices it meets, seeded. What is measured with them: `bench.scheduling`."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agents.scheduling.assignment import Assignment
from agents.scheduling.device import Device
from agents.scheduling.fleet import Fleet
from agents.scheduling.latency import Latencies, ModelProfile
from agents.scheduling.queues import rounded
from agents.scheduling.work import Modality, Urgency, WorkItem

PROFILES: Final = {"kind": ModelProfile(200, 1_000), "encoder": ModelProfile(1_000, 30_000)}
"""Microseconds a batch and nanoseconds a token, at speed 1: a small model for transactions, an encoder on a CPU."""

TOKEN_BUDGET: Final = 4_096
MAX_ITEMS: Final = 64
NOISE: Final = 0.1
"""Sigma of the lognormal factor on every batch."""

OUTLIERS: Final = 0.01
OUTLIER_FACTOR: Final = 4

SPEEDS: Final = (2.0, 1.5, 1.0, 1.0, 1.0, 1.0, 0.75, 0.75)
"""Of eight devices; the scheduler isn't told and has to learn them."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One part of the load: its share of the items, and what they are like."""

    share: float
    modality: Modality
    urgency: Urgency
    model: str
    tokens: tuple[int, int]
    bytes_a_token: int
    patience_us: int

    def item(self, number: int, at: int, chance: random.Random) -> WorkItem:
        """One item; lengths are spread evenly over the logarithm."""
        low, high = self.tokens
        tokens = round(low * (high / low) ** chance.random())
        return WorkItem(
            id=f"r{number}",
            modality=self.modality,
            urgency=self.urgency,
            model=self.model,
            tokens=tokens,
            size=tokens * self.bytes_a_token,
            arrived=at,
            deadline=at + self.patience_us,
        )


MIX: Final = (
    Kind(0.70, Modality.TRANSACTION, Urgency.HIGH, "kind", (8, 8), 60, 40_000),
    Kind(0.08, Modality.TEXT, Urgency.HIGH, "encoder", (8, 64), 5, 60_000),
    Kind(0.14, Modality.TEXT, Urgency.NORMAL, "encoder", (8, 64), 5, 1_000_000),
    Kind(0.04, Modality.TEXT, Urgency.NORMAL, "encoder", (128, 512), 5, 2_000_000),
    Kind(0.04, Modality.TEXT, Urgency.LOW, "encoder", (128, 512), 5, 30_000_000),
)


def mixed_items(count: int, rate: float, seed: int) -> list[WorkItem]:
    """Items that arrive at random (Poisson) with a mean rate a second."""
    chance = random.Random(seed)
    kinds = chance.choices(MIX, [kind.share for kind in MIX], k=count)
    items, at = [], 0.0
    for number, kind in enumerate(kinds):
        at += chance.expovariate(rate) * 1e6
        items.append(kind.item(number, int(at), chance))
    return items


def fleet(speeds: Sequence[float], *, express: bool = False) -> Fleet:
    """So many devices, of which nothing is known yet.

    Args:
        express: Each has an express slot.
    """
    devices = [
        Device(f"d{number}", frozenset(PROFILES), express=express, max_items=MAX_ITEMS, token_budget=TOKEN_BUDGET)
        for number in range(len(speeds))
    ]
    return Fleet(devices, Latencies(PROFILES))


class Service:
    """How long batches really take."""

    def __init__(self, speeds: Sequence[float], seed: int) -> None:
        self._speeds = {f"d{number}": speed for number, speed in enumerate(speeds)}
        self._chance = random.Random(seed)

    def __call__(self, assignment: Assignment) -> int:
        """Microseconds for this batch."""
        factor = self._chance.lognormvariate(0, NOISE)
        if self._chance.random() < OUTLIERS:
            factor *= OUTLIER_FACTOR
        prior = PROFILES[assignment.items[0].model].prior(assignment.tokens)
        return int(prior * factor / self._speeds[assignment.device]) + 1


def capacity(speeds: Sequence[float], seed: int) -> float:
    """Items a second when every batch is full and no device fails: what the load is set by."""
    items = mixed_items(10_000, 1_000, seed)
    work = 0.0
    for item in items:
        length = rounded(item.tokens)
        full = min(MAX_ITEMS, TOKEN_BUDGET // length)
        work += PROFILES[item.model].prior(full * length) / full
    mean_factor = math.exp(NOISE**2 / 2) * (1 + OUTLIERS * (OUTLIER_FACTOR - 1))
    return len(items) * 1e6 * sum(speeds) / (work * mean_factor)
