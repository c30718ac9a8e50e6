"""What a reader tells: when it had all records, and in a paced run how late each was."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

_TASK: Final = "reading.json"
_ANSWER: Final = "read.json"


class Stamped(Protocol):
    """A record as aiokafka gives it."""

    timestamp: int


class _Task(msgspec.Struct, frozen=True):
    records: int
    warming: int | None


class Reading(msgspec.Struct, frozen=True):
    """What came of it.

    Attributes:
        finished_at: Seconds since the epoch, when the last record was there.
        delays: Milliseconds from each record's timestamp to the agent, but for the first ones, which warm; empty unless
            paced. The timestamp is in whole milliseconds, rounded down: half of one is added to each on average.
    """

    finished_at: float
    delays: list[float]


class Probe:
    """Counts records in the reader's process; tells when the last one is there."""

    def __init__(self, directory: Path) -> None:
        task = msgspec.json.decode((directory / _TASK).read_bytes(), type=_Task)
        self._directory = directory
        self._left = task.records
        self._paced = task.warming is not None
        self._warming = task.warming or 0
        self._delays: list[float] = []

    def chunk(self, records: Sequence[Stamped]) -> None:
        """These records are at the agent."""
        if self._paced:
            now = time.time() * 1000
            self._delays += [now - record.timestamp for record in records]
        self._count(len(records))

    def record(self, timestamp: float) -> None:
        """One record is at the agent; the timestamp is in milliseconds."""
        if self._paced:
            self._delays.append(time.time() * 1000 - timestamp)
        self._count(1)

    def _count(self, records: int) -> None:
        self._left -= records
        if self._left == 0:
            reading = Reading(time.time(), self._delays[self._warming :])
            partial = self._directory / f"{_ANSWER}.partial"
            partial.write_bytes(msgspec.json.encode(reading))
            partial.rename(self._directory / _ANSWER)


def instruct(directory: Path, records: int, *, warming: int | None) -> None:
    """Tell the reader that will be started in this directory what to expect.

    Args:
        warming: So many of the records come before the delays count; None where there are no delays.
    """
    (directory / _TASK).write_bytes(msgspec.json.encode(_Task(records, warming)))


def reading(directory: Path) -> Reading | None:
    """What the reader told; None while it is at it."""
    path = directory / _ANSWER
    return msgspec.json.decode(path.read_bytes(), type=Reading) if path.exists() else None
