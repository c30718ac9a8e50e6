"""Compare stored progress with what workers signed: every step in both, every partition without a gap."""

from collections.abc import Iterable

import asyncpg
import msgspec

from agents.audit.findings import VerifyReport
from streams.storage.watermarks import NO_POSITION, WatermarkText

Step = tuple[str, str, str, int, int, int]
"""Group, cluster, topic, partition, from, to."""


class SignedSteps:
    """Where the messages of one commit came from, as its worker signed it."""

    def __init__(self, text: WatermarkText) -> None:
        self.cluster = text.cluster
        self._spans: dict[tuple[str, int], list[tuple[int, int]]] = {}
        for topic, partition, start, end in text.steps:
            self._spans.setdefault((topic, partition), []).append((start, end))

    def cover(self, topic: str, partition: int, offset: int) -> bool:
        """Whether the commit moved the partition over this offset."""
        return any(start <= offset < end for start, end in self._spans.get((topic, partition), ()))


def read_watermark(watermark: bytes) -> WatermarkText | None:
    """The steps of a commit; None when it has none, or they can't be read."""
    try:
        return msgspec.json.decode(watermark, type=WatermarkText) if watermark else None
    except msgspec.MsgspecError:
        return None


class WatermarkCheck:
    """Collects the signed steps of all commits, then compares them with the rows."""

    def __init__(self, report: VerifyReport) -> None:
        self._report = report
        self._signed: dict[Step, int] = {}

    def add(self, commit_id: int, watermark: bytes) -> None:
        """The signed steps of a commit whose signature held."""
        text = read_watermark(watermark)
        if text is None:
            if watermark:
                self._report.add(f"commit {commit_id}", "its watermark can't be read")
            return
        for topic, partition, start, end in text.steps:
            self._signed[text.group, text.cluster, topic, partition, start, end] = commit_id

    def finish(self, rows: Iterable[asyncpg.Record]) -> None:
        """Check the rows, which come partition by partition in order."""
        previous: tuple[tuple[str, str, str, int], int] | None = None
        for row in rows:
            self._report.watermarks += 1
            place = (row["grp"], row["cluster"], row["topic"], row["part"])
            start, end = row["from_offset"], row["to_offset"]
            where = f"watermark {row['topic']}/{row['part']} from {start} (group {row['grp']})"
            expected = previous[1] if previous is not None and previous[0] == place else NO_POSITION
            if start != expected:
                self._report.add(where, f"the step before it ends at {expected}")
            if self._signed.pop((*place, start, end), None) != row["commit_id"]:
                self._report.add(where, f"commit {row['commit_id']} did not sign this step")
            previous = (place, end)
        for (group, _, topic, partition, start, _), commit_id in sorted(self._signed.items()):
            self._report.add(
                f"watermark {topic}/{partition} from {start} (group {group})",
                f"commit {commit_id} signed this step and it is gone",
            )
