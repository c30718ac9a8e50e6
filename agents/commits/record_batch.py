"""What one fetch brought of a partition: the frame that goes through the stages and into one commit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

from streams.frames import UnreadableBatch


class RawRecord(Protocol):
    """A Kafka record as aiokafka gives it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """The records of one partition that one fetch brought, and the positions before and after them.

    Attributes:
        unreadable: What stands between them and can't be unpacked.
        topic_id: Of the topic, where the broker tells it.
        leader_epoch: Of the last record, likewise.
        era: Of the watermark.
    """

    topic: str
    partition: int
    first: int
    next: int
    first_ever: bool
    records: Sequence[RawRecord]
    unreadable: Sequence[UnreadableBatch] = ()
    topic_id: UUID | None = None
    leader_epoch: int | None = None
    era: int = 0

    def halves(self) -> tuple["RecordBatch", "RecordBatch"]:
        """Two parts that cover the same positions; there are at least two records."""
        half = len(self.records) // 2
        middle = self.records[half].offset
        before = [each for each in self.unreadable if each.first < middle]
        after = [each for each in self.unreadable if each.first >= middle]
        return (
            # The epoch is that of the last record of all.
            replace(self, next=middle, records=self.records[:half], unreadable=before, leader_epoch=None),
            replace(self, first=middle, first_ever=False, records=self.records[half:], unreadable=after),
        )
