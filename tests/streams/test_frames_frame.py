"""A frame as an agent sees it."""

import gc
import tracemalloc

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from faust.types import TP

from streams.frames import Frame
from streams.frames.batches import FetchedRecord, GuardedPartition, GuardedRecords, UnreadableBatch
from streams.frames.cursor import Cursor
from streams.frames.frame import HEADER_OVERHEAD_BYTES, RECORD_OVERHEAD_BYTES, resident_bytes
from streams.frames.ledger import Hold

TIMESTAMP_MS = 1_700_000_000_500


def record(offset: int, value: bytes | None, headers: tuple = ()) -> FetchedRecord:
    return FetchedRecord("t", 3, offset, TIMESTAMP_MS, 0, None, value, headers)


def frame(*, on_ack=lambda frame: None, on_drop=lambda hold: None) -> Frame:
    cursor = Cursor(100)
    hold = Hold(TP("t", 3), cursor, cursor.issue(120), 1_234)
    return Frame([record(105, b"a"), record(110, b"b")], 100, 7, hold, on_ack=on_ack, on_drop=on_drop)


def test_tells_positions_records_size_and_generation():
    given = frame()
    assert (given.topic, given.partition, given.tp) == ("t", 3, TP("t", 3))
    assert (given.first, given.next, given.offset) == (100, 120, 110)
    assert [r.value for r in given.records] == [b"a", b"b"]
    assert (given.size, given.generation, given.timestamp) == (1_234, 7, TIMESTAMP_MS / 1_000)
    assert not given.acked
    given.acked = True


def test_a_frame_of_unreadable_batches_alone_stands_at_the_last_of_them():
    cursor = Cursor(100)
    hold = Hold(TP("t", 3), cursor, cursor.issue(120), 0)
    batches = [
        UnreadableBatch("t", 3, *span, None, TIMESTAMP_MS, 1, "oversized", "", b"", b"")
        for span in ((100, 109), (110, 119))
    ]
    given = Frame([], 100, 7, hold, unreadable=batches, on_ack=lambda frame: None, on_drop=lambda hold: None)
    assert (given.records, given.unreadable, given.offset, given.next) == ([], batches, 119, 120)
    assert given.timestamp == TIMESTAMP_MS / 1_000
    given.acked = True


def test_an_ack_is_passed_on_once():
    acked = []
    given = frame(on_ack=acked.append)
    given.acked = False
    given.acked = True
    given.acked = True
    assert acked == [given]


def test_is_current_until_its_cursor_is_retired():
    given = frame()
    assert given.current
    given.hold.cursor.retired = True
    assert not given.current
    given.acked = True


def test_only_a_frame_that_was_never_acked_is_reported_as_dropped():
    dropped = []
    given = frame(on_drop=dropped.append)
    given.acked = True
    del given
    gc.collect()
    assert dropped == []
    hold = frame(on_drop=dropped.append).hold
    gc.collect()
    assert dropped == [hold]


def decode(count: int, key: bytes | None, value: bytes | None, headers: list) -> tuple[list[FetchedRecord], int]:
    """Records as they are decoded from a batch, and the bytes of memory they take."""
    batch = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 30,
    )
    for n in range(count):
        batch.append(n, TIMESTAMP_MS + n, key, value, headers)
    wire = GuardedRecords(bytes(batch.build()))
    gc.collect()
    tracemalloc.start()
    try:
        records = list(GuardedPartition(TopicPartition("t", 3), wire, [], 0, None, None, True, READ_COMMITTED))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return records, taken


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        pytest.param(None, b"v" * 240, [], id="small-value"),
        pytest.param(b"k" * 16, b"v" * 240, [], id="key"),
        pytest.param(None, b"v" * 20_000, [], id="large-value"),
        pytest.param(None, b"v" * 240, [(f"ce_attribute{n}", b"v" * 16) for n in range(8)], id="eight-headers"),
    ],
)
def test_the_size_of_a_frame_is_close_to_what_its_records_take(key, value, headers):
    records, taken = decode(2_000, key, value, headers)
    assert taken < resident_bytes(records) < 1.25 * taken


def test_missing_keys_values_and_header_values_weigh_nothing():
    assert resident_bytes([record(1, None, (("h", None),))]) == RECORD_OVERHEAD_BYTES + HEADER_OVERHEAD_BYTES
