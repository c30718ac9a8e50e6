"""Compare stored progress with what workers signed: every step in both, every partition without a gap.

An era of a partition begins at -1 and goes on step by step. A deliberate move closes it with a step of no length and
begins the next one, and the commit that did so says it in a leaf.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import asyncpg
import msgspec

from agents.audit.findings import VerifyReport
from schemas.leaf import Span
from streams.storage.watermarks import NO_POSITION, SignedMark, WatermarkText

_NAMES: Final = ("grp", "cluster", "topic", "part", "era", "from_offset", "to_offset")
_MARKS: Final = ("topic_id", "leader_epoch", "last_offset", "last_digest")


class _Step(NamedTuple):
    """What names a step."""

    group: str
    cluster: str
    topic: str
    partition: int
    era: int
    start: int
    end: int

    @property
    def where(self) -> str:
        era = f", era {self.era}" if self.era else ""
        return f"watermark {self.topic}/{self.partition} from {self.start} (group {self.group}{era})"


class _Signed(NamedTuple):
    commit_id: int
    mark: SignedMark | None
    """None in commits of the first version, which signed the offsets alone."""


class SignedSteps:
    """Where the messages of one commit came from, as its worker signed it."""

    def __init__(self, text: WatermarkText) -> None:
        self.cluster = text.cluster
        self._spans: dict[tuple[str, int], list[tuple[int, int]]] = {}
        for step, _ in _steps(text):
            self._spans.setdefault((step.topic, step.partition), []).append((step.start, step.end))

    def cover(self, topic: str, partition: int, offset: int) -> bool:
        """Whether the commit moved the partition over this offset."""
        return any(start <= offset < end for start, end in self._spans.get((topic, partition), ()))

    def move(self, span: Span) -> bool:
        """Whether the commit moved the partition deliberately, from where to where the span says."""
        closing = [] if span.start == NO_POSITION else [(span.start, span.start)]
        return self._spans.get((span.topic, span.partition)) == [*closing, (NO_POSITION, span.end)]


def read_watermark(watermark: bytes) -> WatermarkText | None:
    """The steps of a commit; None when it has none, or they can't be read."""
    try:
        text = msgspec.json.decode(watermark, type=WatermarkText) if watermark else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if text is not None and text.marks is not None and len(text.marks) != len(text.steps):
        return None
    return text


def _steps(text: WatermarkText) -> Iterator[tuple[_Step, SignedMark | None]]:
    marks = text.marks if text.marks is not None else [None] * len(text.steps)
    for (topic, partition, start, end), mark in zip(text.steps, marks, strict=True):
        yield _Step(text.group, text.cluster, topic, partition, mark[0] if mark else 0, start, end), mark


class WatermarkCheck:
    """Collects the signed steps of all commits, then compares them with the rows."""

    def __init__(self, report: VerifyReport) -> None:
        self._report = report
        self._signed: dict[_Step, _Signed] = {}
        self._told: set[int] = set()
        self._unplaced: set[int] = set()

    def add(self, commit_id: int, watermark: bytes, *, placed: bool = True) -> None:
        """The signed steps of a commit whose signature held.

        Args:
            placed: Whether its leaves have a place yet; otherwise nobody has read them.
        """
        text = read_watermark(watermark)
        if text is None:
            if watermark:
                self._report.add(f"commit {commit_id}", "its watermark can't be read")
            return
        if not placed:
            self._unplaced.add(commit_id)
        for step, mark in _steps(text):
            self._signed[step] = _Signed(commit_id, mark)

    def told(self, commit_id: int) -> None:
        """A commit has a leaf about a deliberate move."""
        self._told.add(commit_id)

    def finish(self, rows: Iterable[asyncpg.Record]) -> None:
        """Check the rows, which come partition by partition in order."""
        previous: _Step | None = None
        for row in rows:
            self._report.watermarks += 1
            step = _Step(*(row[name] for name in _NAMES))
            self._chain(previous, step)
            self._signature(step, row)
            previous = step
        for step, signed in sorted(self._signed.items()):
            self._report.add(step.where, f"commit {signed.commit_id} signed this step and it is gone")

    def _chain(self, previous: _Step | None, step: _Step) -> None:
        """Steps join; whatever comes after a move is another era, and each era but the first comes after a move."""
        if previous is None or previous[:4] != step[:4]:
            previous = None
        if previous is not None and previous.era == step.era:
            if step.start != previous.end or previous.start == previous.end:
                self._report.add(step.where, f"the step before it ends at {previous.end}")
        elif step.start != NO_POSITION:
            self._report.add(step.where, f"the step before it ends at {NO_POSITION}")
        if step.era != (previous.era if previous else 0):
            closed = previous is not None and previous.start == previous.end and step.era == previous.era + 1
            if not closed:
                self._report.add(step.where, "no step closed the era before")

    def _signature(self, step: _Step, row: asyncpg.Record) -> None:
        signed = self._signed.pop(step, None)
        commit_id = row["commit_id"]
        if signed is None or signed.commit_id != commit_id:
            self._report.add(step.where, f"commit {commit_id} did not sign this step")
            return
        if signed.mark is not None:
            for name, value in zip(_MARKS, signed.mark[1:], strict=True):
                if row[name] != value:
                    self._report.add(step.where, f"{name} is not what commit {commit_id} signed")
        moved = step.era > 0 and step.start == NO_POSITION
        if moved and commit_id not in self._told | self._unplaced:
            self._report.add(step.where, f"commit {commit_id} moved it and has no leaf that says so")
