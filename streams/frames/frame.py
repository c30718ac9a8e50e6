"""A frame: the records that one fetch brought from one partition, as a single Faust message."""

from collections.abc import Callable, Sequence
from itertools import chain
from operator import attrgetter, itemgetter

from faust.types import ConsumerMessage

from streams.frames.batches import FetchedRecord, UnreadableBatch
from streams.frames.ledger import Hold

# What a record costs beside its key and value, and each header beside its value: measured with tracemalloc on
# CPython 3.11, plus a tenth for alignment. See test_the_size_of_a_frame_is_close_to_what_its_records_take.
RECORD_OVERHEAD_BYTES = 250
HEADER_OVERHEAD_BYTES = 170

# There are thousands of records to a frame: no Python runs for each.
_key, _value, _headers = map(attrgetter, ("key", "value", "headers"))
_second = itemgetter(1)


def resident_bytes(records: Sequence[FetchedRecord]) -> int:
    """Estimate the memory that records take, which is several times their size on the wire."""
    headers = list(chain.from_iterable(map(_headers, records)))
    contents = chain(map(_key, records), map(_value, records), map(_second, headers))
    overhead = RECORD_OVERHEAD_BYTES * len(records) + HEADER_OVERHEAD_BYTES * len(headers)
    return overhead + sum(map(len, filter(None, contents)))


class Frame(ConsumerMessage):
    """Records of one partition in offset order; ``message`` of the Faust event that carries them.

    Frames of a partition are contiguous: each begins where the one before it ended, also where aborted transactions,
    control records or compaction left no record. Ack it after the commit, on the event loop's thread, by leaving the
    body of ``async for event in stream.events()`` or, in a ``stream.noack()``, by ``event.ack()``. A frame that is
    garbage collected without an ack is read again from the stored position.

    Attributes:
        first: The partition's position before this frame.
        next: The position after it; store this as the watermark.
        size: Estimated resident bytes of the records.
        unreadable: Batches among the records that can't be unpacked, in offset order: the frame passes over them.
        beside: How many frames of other partitions the same fetch brought.
    """

    def __init__(
        self,
        records: list[FetchedRecord],
        first: int,
        generation: int,
        hold: Hold,
        *,
        unreadable: Sequence[UnreadableBatch] = (),
        beside: int = 0,
        on_ack: Callable[["Frame"], None],
        on_drop: Callable[[Hold], None],
    ) -> None:
        self._acked = False
        self._on_ack = on_ack
        self._on_drop = on_drop
        self.hold = hold
        self.first = first
        self.next = hold.place.end
        self.size = hold.size
        self.unreadable = unreadable
        self.beside = beside
        tp, last = hold.tp, records[-1] if records else unreadable[-1]
        super().__init__(
            tp.topic,
            tp.partition,
            last.offset,
            timestamp=last.timestamp / 1000,
            timestamp_type=last.timestamp_type,
            headers=None,
            key=None,
            value=records,  # type: ignore[arg-type]  # Faust declares bytes, and passes on whatever the schema returns
            checksum=None,
            serialized_key_size=0,
            serialized_value_size=0,
            tp=tp,
            generation_id=generation,
        )

    @property
    def records(self) -> list[FetchedRecord]:
        """The records in offset order; none where all that was fetched is unreadable."""
        return self.value  # type: ignore[return-value]  # see __init__

    @property
    def generation(self) -> int:
        """The consumer group's generation in which the records were fetched."""
        assert self.generation_id is not None
        return self.generation_id

    @property
    def current(self) -> bool:
        """Whether acking still counts: no seek, revocation or new assignment of the partition came after the fetch."""
        return not self.hold.cursor.retired

    # Faust acks in two ways: Consumer.ack, and Cython code that inlines it. Both assign ``message.acked``.
    @property
    def acked(self) -> bool:
        """Whether the frame is done."""
        return self._acked

    @acked.setter
    def acked(self, done: bool) -> None:
        if done and not self._acked:
            self._acked = True
            self._on_ack(self)

    def __del__(self) -> None:
        # May run on any thread. No attribute if __init__ failed.
        if not getattr(self, "_acked", True):
            self._on_drop(self.hold)
