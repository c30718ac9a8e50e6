"""Two observers of the same work."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from agents.commits.observation import BatchAnswered, BatchFailed, CommitMade, FrameWatch, Observer, TurnMarks
from agents.commits.record_batch import RecordBatch


class Both(Observer):
    """Tells two observers everything."""

    def __init__(self, first: Observer, second: Observer) -> None:
        self._first = first
        self._second = second

    def frame(self, batch: RecordBatch) -> FrameWatch:
        """A frame begins its way."""
        return _BothWatch(self._first.frame(batch), self._second.frame(batch))

    def committed(self, commit: CommitMade) -> None:
        """A commit is durable."""
        self._first.committed(commit)
        self._second.committed(commit)

    def compare_and_set_lost(self, frames: int) -> None:
        """Frames were dropped."""
        self._first.compare_and_set_lost(frames)
        self._second.compare_and_set_lost(frames)

    def registry_read(self) -> None:
        """Keys and catalogue were looked at."""
        self._first.registry_read()
        self._second.registry_read()

    def batch_answered(self, batch: BatchAnswered) -> None:
        """A device has answered a batch."""
        self._first.batch_answered(batch)
        self._second.batch_answered(batch)

    def batch_failed(self, batch: BatchFailed) -> None:
        """A batch has no answer."""
        self._first.batch_failed(batch)
        self._second.batch_failed(batch)

    def devices(self, states: Mapping[str, str]) -> None:
        """Devices have changed."""
        self._first.devices(states)
        self._second.devices(states)

    @contextmanager
    def publication(self, leaves: int) -> Iterator[str | None]:
        """Leaves are being published; gives the `traceparent` of whichever traces them."""
        with self._first.publication(leaves) as first, self._second.publication(leaves) as second:
            yield first or second


class _BothWatch(FrameWatch):
    __slots__ = ("_first", "_second")

    def __init__(self, first: FrameWatch, second: FrameWatch) -> None:
        self._first = first
        self._second = second

    def turn(self, records: int, marks: TurnMarks) -> None:
        self._first.turn(records, marks)
        self._second.turn(records, marks)

    def committed(self, commit: CommitMade) -> None:
        self._first.committed(commit)
        self._second.committed(commit)
