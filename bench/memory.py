"""Resident memory of processes, sampled while a body runs."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_KIBIBYTE = 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """A moment.

    Attributes:
        seconds: Since the first sample.
        megabytes: By process id; millions of bytes.
        at: What the sampled work said of its progress.
    """

    seconds: float
    megabytes: Mapping[int, float]
    at: int


@dataclass(slots=True)
class Samples:
    """What was sampled so far."""

    taken: list[Sample] = field(default_factory=list)


@asynccontextmanager
async def sampled(pids: Sequence[int], every: float, progress: Callable[[], int]) -> AsyncIterator[Samples]:
    """Sample these processes while the body runs.

    Args:
        every: Seconds.
        progress: Asked at each sample.
    """
    samples = Samples()
    task = asyncio.create_task(_sample(samples, pids, every, progress))
    try:
        yield samples
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _sample(samples: Samples, pids: Sequence[int], every: float, progress: Callable[[], int]) -> None:
    started = time.monotonic()
    while True:
        found = {pid: megabytes for pid in pids if (megabytes := resident_megabytes(pid)) is not None}
        samples.taken.append(Sample(time.monotonic() - started, found, progress()))
        await asyncio.sleep(every)


def resident_megabytes(pid: int) -> float | None:
    """Of one process, its children not counted; None when it is gone."""
    try:
        status = (Path("/proc") / str(pid) / "status").read_text()
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * _KIBIBYTE / 1e6
    return None  # a process that has ended and was not waited for yet
