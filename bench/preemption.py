"""Whether the operating system computes an urgent batch before one that has begun, in real time and on one core.

Two threads of this process, as a device has them: one computes long documents and gives way, the other short texts,
with pauses. Strangers on the core are told apart by the same work without the other thread, in turns, and by what the
first thread computed during urgent batches, which the processor's clocks of threads say whoever else is there.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from statistics import median
from typing import Final

from agents.inference.giving_way import give_way
from agents.inference.onnx_encoder import OnnxEncoder
from agents.inference.text_model import PreparedText
from agents.scheduling.simulation import Interruption

ROUNDS: Final = 3
URGENT: Final = 40
"""Urgent batches in a turn."""

TEXTS: Final = 2
"""Of an urgent batch."""

PAUSE_SECONDS: Final = 0.01
LONG_DOCUMENTS: Final = 3
"""The same ones again and again, so that what an interruption costs shows."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One that was computed, in seconds.

    Attributes:
        other: What the other thread computed meanwhile.
    """

    number: int
    wall: float
    cpu: float
    other: float = 0.0


@dataclass(frozen=True, slots=True)
class Preemption:
    """What was found.

    Attributes:
        urgent: Wall time of an urgent batch over its CPU time, while the other thread computes; and without it.
        bulk: The same of a batch that gives way, with urgent ones and without.
        lent: CPU time of the other thread during urgent batches over theirs.
        switch_us: CPU time by which an interruption makes the other batch longer.
    """

    urgent: tuple[float, float]
    bulk: tuple[float, float]
    lent: float
    switch_us: float

    @property
    def interruption(self) -> Interruption:
        """For the simulation."""
        return Interruption(round(self.switch_us), self.lent)

    def text(self) -> str:
        """For a report."""
        return (
            "Measured in real time on one core that others use too, a thread with long documents that gives way and "
            f"one with urgent batches: an urgent batch takes {self.urgent[0]:.2f} times its CPU time, and "
            f"{self.urgent[1]:.2f} times without the other thread; during it the other thread gets {self.lent:.1%} of "
            f"what it gets. A batch of long documents takes {self.bulk[0]:.2f} times its CPU time, and "
            f"{self.bulk[1]:.2f} times without urgent ones; each interruption costs it {self.switch_us:.0f} µs of CPU. "
            "The simulation charges both."
        )


def measure_preemption(encoder: OnnxEncoder, long: Sequence[PreparedText], short: Sequence[PreparedText]) -> Preemption:
    """Compute urgent batches alone, long documents alone, and both, in turns."""
    usual = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(usual)})
    alone: list[Batch] = []
    beside: list[Batch] = []
    undisturbed: list[Batch] = []
    disturbed: list[Batch] = []
    try:
        for _ in range(ROUNDS):
            alone += _urgent(encoder, short, lambda: 0.0)
            with_nothing = _Bulk(encoder, long)
            time.sleep(PAUSE_SECONDS * URGENT * 2)
            undisturbed += with_nothing.stopped()
            bulk = _Bulk(encoder, long)
            beside += _urgent(encoder, short, bulk.used)
            disturbed += bulk.stopped()
    finally:
        os.sched_setaffinity(0, usual)
    interruptions = len(beside) / len(disturbed)
    return Preemption(
        (_stretched(beside), _stretched(alone)),
        (_stretched(disturbed), _stretched(undisturbed)),
        sum(each.other for each in beside) / sum(each.cpu for each in beside),
        max((_least(disturbed) - _least(undisturbed)) * 1e6 / interruptions, 0.0),
    )


class _Bulk:
    """A thread that computes long documents and gives way."""

    def __init__(self, encoder: OnnxEncoder, long: Sequence[PreparedText]) -> None:
        self._encoder = encoder
        self._long = long[:LONG_DOCUMENTS]
        self._ends = False
        self._found: list[Batch] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._thread.ident is not None
        self._clock = time.pthread_getcpuclockid(self._thread.ident)

    def used(self) -> float:
        """Seconds of CPU time so far."""
        return time.clock_gettime(self._clock)

    def stopped(self) -> list[Batch]:
        self._ends = True
        self._thread.join()
        return self._found

    def _run(self) -> None:
        give_way()
        for number, document in cycle(enumerate(self._long)):
            self._found.append(_timed(number, lambda text=document: self._encoder.embed([text])))  # type: ignore[misc]
            if self._ends and number == len(self._long) - 1:
                return


def _urgent(encoder: OnnxEncoder, short: Sequence[PreparedText], used: Callable[[], float]) -> list[Batch]:
    found = []
    for number in range(URGENT):
        time.sleep(PAUSE_SECONDS)
        texts = short[number * TEXTS % len(short) :][:TEXTS]
        before = used()
        batch = _timed(number, lambda texts=texts: encoder.embed(texts))  # type: ignore[misc]
        found.append(Batch(number, batch.wall, batch.cpu, used() - before))
    return found


def _timed(number: int, run: Callable[[], object]) -> Batch:
    wall, cpu = time.perf_counter(), time.thread_time()
    run()
    return Batch(number, time.perf_counter() - wall, time.thread_time() - cpu)


def _stretched(batches: Sequence[Batch]) -> float:
    return median(each.wall / each.cpu for each in batches)


def _least(batches: Sequence[Batch]) -> float:
    """Mean over the documents of the least CPU time of each: strangers only make it longer."""
    least: dict[int, float] = {}
    for each in batches:
        least[each.number] = min(each.cpu, least.get(each.number, each.cpu))
    return sum(least.values()) / len(least)
