"""Unpack what one fetch brought from a partition, and go on after a batch that nobody can unpack.

aiokafka raises on such a batch, again at every attempt, and loses what it had unpacked before it. Here the batch is
given out among the records as an ``UnreadableBatch``: its place is told by its header, which is never packed. What
becomes of it is the application's decision. How these classes come into a consumer is ``internals``' part.
"""

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import CorruptRecordException, KafkaError, UnsupportedCodecError
from aiokafka.record.memory_records import MemoryRecords

from streams.frames.errors import BatchTooLarge

# What aiokafka raises while it unpacks a batch that is malformed on purpose; a header's name need not be UTF-8.
UNREADABLE: Final = (
    BatchTooLarge,
    CorruptRecordException,
    UnsupportedCodecError,
    ValueError,
    IndexError,
    OverflowError,
    SystemError,  # of the compiled reader of batches before version 2, for sizes below 0
)

_START: Final = struct.Struct(">qiib")  # base offset, length, leader epoch, magic
_LENGTH_ENDS: Final = 12
_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
MAGIC: Final = 2
NOWHERE: Final = 2**62  # beyond every offset

Why = Literal["oversized", "malformed", "corrupt"]


@dataclass(slots=True)
class FetchedRecord:
    """A record as fetched. Not frozen: that would make it cost twice as much, and there are many.

    Attributes:
        leader_epoch: Of the leader that appended its batch; -1 where the batch doesn't tell.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    leader_epoch: int = -1


@dataclass(frozen=True, slots=True)
class UnreadableBatch:
    """Records that can't be unpacked: the rest of a batch from its first offset that can't be read.

    The broker numbers batches when it appends them: it sets the base offset itself and refuses a batch whose last
    offset delta isn't its record count less one, and a checksum covers the latter. So a producer can't make this span
    other records than its own.

    Attributes:
        first: First offset.
        last: Last offset.
        count: Records in between, if no compaction took any away; None where the header doesn't say.
        timestamp: The largest of the batch, milliseconds, by whoever set it.
        why: ``oversized``: unpacks to more than is allowed. ``malformed``: is no batch of records, though its checksum
            is right. ``corrupt``: checksum or frame are wrong, so that header and span can't be trusted either.
        header: The batch's header as it came.
        digest: SHA-256 of the whole batch as it came.
    """

    topic: str
    partition: int
    first: int
    last: int
    count: int | None
    timestamp: int
    timestamp_type: int
    why: Why
    detail: str
    header: bytes
    digest: bytes

    @property
    def offset(self) -> int:
        """The last offset, as of a record: the next one to read follows it."""
        return self.last


class _Span:
    """An unreadable batch on its way through aiokafka, which looks at its offset only."""

    __slots__ = ("batch", "detail", "first", "offset", "why")

    def __init__(self, batch: "GuardedBatch", first: int, last: int, why: Why, detail: str) -> None:
        self.batch = batch
        self.first = first
        self.offset = last
        self.why = why
        self.detail = detail


class GuardedBatch:
    """A batch that never raises: what can't be unpacked comes as one ``_Span``."""

    def __init__(self, batch: Any, raw: memoryview) -> None:
        self._batch = batch
        self.corrupt = batch is None
        self.raw = raw

    def validate_crc(self) -> bool:
        """Note whether the checksum is right; always true to aiokafka, which would raise."""
        self.corrupt = self.corrupt or not self._batch.validate_crc()
        return True

    @property
    def producer_id(self) -> int | None:
        """Whose it is; of a corrupt batch nothing is believed."""
        return None if self.corrupt else self._batch.producer_id

    @property
    def is_control_batch(self) -> bool:
        """Whether it is the marker of a transaction."""
        return not self.corrupt and self._batch.is_control_batch

    @property
    def is_transactional(self) -> bool:
        """Whether it is part of one."""
        return not self.corrupt and self._batch.is_transactional

    @property
    def base_offset(self) -> int:
        """The first offset."""
        return int(_START.unpack_from(self.raw)[0])

    @property
    def next_offset(self) -> int:
        """The offset after the last."""
        return NOWHERE if self.corrupt else int(self._batch.next_offset)

    def __next__(self) -> Any:
        """The first record of a control batch."""
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        if self.corrupt:
            yield self._corruption()
            return
        first, last = self.base_offset, self.next_offset - 1
        try:
            for record in self._batch:
                offset = record.offset
                if not first <= offset <= last:  # a broker sees to the batch's own numbers, not always to these
                    raise CorruptRecordException("a record stands outside of its batch or its order")
                yield record
                first = offset + 1
        except UNREADABLE as exc:
            if first > last:  # all its records were there, and something after them
                if first == self.base_offset:
                    yield self._corruption()
            elif isinstance(exc, BatchTooLarge):
                yield _Span(self, first, last, "oversized", str(exc))
            else:  # others' texts may quote the record
                yield _Span(self, first, last, "malformed", f"a batch can't be decoded ({type(exc).__name__})")

    def _corruption(self) -> _Span:
        self.corrupt = True
        return _Span(self, 0, NOWHERE, "corrupt", "the checksum, the length or the offsets of a batch are wrong")


class GuardedRecords:
    """The batches of one fetch, as aiokafka iterates over them.

    Attributes:
        leader_epoch: Of the batch given last.
    """

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._records = MemoryRecords(data)
        self._at = 0
        self._given: GuardedBatch | None = None
        self.leader_epoch = -1

    def size_in_bytes(self) -> int:
        """What came."""
        return len(self._data)

    def has_next(self) -> bool:
        """Whether there is another batch; where a corrupt one ends, nobody knows."""
        return bool(self._records.has_next()) and not (self._given is not None and self._given.corrupt)

    def next_batch(self) -> GuardedBatch:
        """The next batch."""
        if len(self._data) - self._at < _START.size:
            self._given = GuardedBatch(None, self._data[self._at :])
            return self._given
        _, length, epoch, magic = _START.unpack_from(self._data, self._at)
        raw = self._data[self._at : self._at + _LENGTH_ENDS + length]
        self._at += _LENGTH_ENDS + length
        self.leader_epoch = epoch if magic >= MAGIC else -1
        try:
            if magic >= MAGIC and len(raw) < _HEADER.size:
                raise CorruptRecordException("a batch is shorter than its header")
            self._given = GuardedBatch(self._records.next_batch(), raw)
        except UNREADABLE:
            self._given = GuardedBatch(None, raw)
        return self._given


class GuardedPartition(PartitionRecords):  # type: ignore[misc]  # aiokafka is untyped
    """aiokafka's own iteration over committed records, which gives out ours and ``UnreadableBatch`` among them."""

    def _contains_abort_marker(self, next_batch: GuardedBatch) -> bool:
        # Brokers alone write markers. One that can't be read may end what a later commit of this producer needs ended:
        # its partition waits, as for any batch that a broker keeps wrong.
        try:
            return bool(super()._contains_abort_marker(next_batch))
        except (*UNREADABLE, KafkaError, struct.error, TypeError):
            next_batch.corrupt = True
            return False

    def _consumer_record(self, tp: Any, record: Any) -> FetchedRecord | UnreadableBatch:
        if type(record) is not _Span:
            return FetchedRecord(
                tp.topic,
                tp.partition,
                record.offset,
                record.timestamp,
                record.timestamp_type,
                record.key,
                record.value,
                tuple(record.headers),
                self._records.leader_epoch,
            )
        first = max(record.first, self.next_fetch_offset)
        last = first if record.why == "corrupt" else record.offset
        return _unreadable(tp, record, first, last)


def _unreadable(tp: Any, span: _Span, first: int, last: int) -> UnreadableBatch:
    raw = span.batch.raw
    count, timestamp, timestamp_type = None, -1, 0
    if span.why != "corrupt" and len(raw) >= _HEADER.size and raw[_START.size - 1] >= MAGIC:
        *_, attributes, delta, _, timestamp, _, _, _, records = _HEADER.unpack_from(raw)
        timestamp_type = attributes >> 3 & 1
        count = last - first + 1 if records == delta + 1 else None
    return UnreadableBatch(
        tp.topic,
        tp.partition,
        first,
        last,
        count,
        timestamp,
        timestamp_type,
        span.why,
        span.detail,
        bytes(raw[: _HEADER.size]),
        hashlib.sha256(raw).digest(),
    )
