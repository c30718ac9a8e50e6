"""What the work tells whoever watches it, a few times for each frame and never for each record.

The classes here watch nothing and are the default. Measuring and tracing are sealstream.observe.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple

from agents.commits.record_batch import RecordBatch

OutcomeCount = Mapping[tuple[str, str, str], int]
"""How many records there are of each (kind of leaf, outcome, reason); the reason is empty where nothing was refused."""


class TurnMarks(NamedTuple):
    """The moments of one turn of the pipeline, by `time.perf_counter`: each stage ends where the next begins."""

    began: float
    verified: float
    interpreted: float
    classified: float
    sealed: float

    def share(self, records: int, of: int) -> "TurnMarks":
        """One frame's share of a turn that had several: of the time that it took, as much as of the records."""
        if records == of:
            return self
        return TurnMarks(*[self.began + (mark - self.began) * records / of for mark in self])


class TurnClock:
    """Takes the marks of one turn.

    Args:
        now: Seconds, as `time.perf_counter`.
    """

    def __init__(self, now: Callable[[], float] = perf_counter) -> None:
        self._now = now
        self._marks = [now()]

    def mark(self) -> None:
        """A stage ends here."""
        self._marks.append(self._now())

    async def leave_out(self, pause: Awaitable[None]) -> None:
        """Await what is no part of the turn: the marks before it move up behind it."""
        began = self._now()
        await pause
        paused = self._now() - began
        self._marks = [mark + paused for mark in self._marks]

    def marks(self) -> TurnMarks:
        """All of them, once every stage has ended."""
        return TurnMarks(*self._marks)


@dataclass(frozen=True, slots=True)
class CommitMade:
    """A commit that is durable.

    Attributes:
        began: When the database was asked; like `ended` by `time.perf_counter`.
        frames: How many frames went into it together, without those that lost their compare-and-set.
        messages: Their messages.
        outcomes: Their records, by what became of them.
    """

    commit_id: int
    began: float
    ended: float
    frames: int
    messages: int
    outcomes: OutcomeCount


@dataclass(frozen=True, slots=True)
class BatchAnswered:
    """A batch of texts that a device has answered.

    Attributes:
        model: `name@version`.
        tokens: Of its texts.
        padded: What was computed for them, if the device counts that; else as `tokens`.
        abstained: Texts that the model left to a person.
        traceparents: Of some of the records, as their producers wrote them: unsigned, only ever shown.
    """

    device: str
    model: str
    texts: int
    tokens: int
    padded: int
    seconds: float
    abstained: int
    traceparents: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class BatchFailed:
    """A batch of texts that has no answer.

    Attributes:
        fault: What it is put down to: the `device` or the `work`.
        traceparents: As in `BatchAnswered`.
    """

    device: str
    model: str
    texts: int
    fault: str
    seconds: float
    traceparents: Sequence[str] = ()


class FrameWatch:
    """Watches one frame, from its first turn to its commit."""

    __slots__ = ()

    def turn(self, records: int, marks: TurnMarks) -> None:
        """Some of its records went through all stages."""

    def committed(self, commit: CommitMade) -> None:
        """It is part of a commit."""


class Observer:
    """Watches the work of one process. A subclass overrides what it wants to know."""

    def frame(self, batch: RecordBatch) -> FrameWatch:
        """A frame begins its way."""
        return UNWATCHED

    def committed(self, commit: CommitMade) -> None:
        """A commit is durable."""

    def compare_and_set_lost(self, frames: int) -> None:
        """So many frames of a commit were dropped: somebody else moved their partitions."""

    def registry_read(self) -> None:
        """Keys and catalogue were looked at, and are as the database has them."""

    def batch_answered(self, batch: BatchAnswered) -> None:
        """A device has answered a batch."""

    def batch_failed(self, batch: BatchFailed) -> None:
        """A batch has no answer."""

    def devices(self, states: Mapping[str, str]) -> None:
        """The devices of this process are in these states now, by name; none when they are gone."""

    @contextmanager
    def publication(self, leaves: int) -> Iterator[str | None]:
        """So many leaves are being published; gives the `traceparent` for their notices, if they are traced."""
        yield None


UNWATCHED = FrameWatch()
