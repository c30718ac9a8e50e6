"""A frame as an agent sees it."""

import gc
import tracemalloc

import pytest
from aiokafka import ConsumerRecord
from faust.types import TP

from streams.frames import Frame
from streams.frames.cursor import Cursor
from streams.frames.frame import resident_bytes
from streams.frames.ledger import Hold

TIMESTAMP_MS = 1_700_000_000_500


def record(offset: int, value: bytes | None, headers: tuple = ()) -> ConsumerRecord:
    return ConsumerRecord("t", 3, offset, TIMESTAMP_MS, 0, None, value, None, -1, len(value or b""), headers)


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


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda n: record(1_000 + n, b"%240d" % n), id="small-value"),
        pytest.param(lambda n: record(1_000 + n, b"%20000d" % n), id="large-value"),
        pytest.param(lambda n: record(1_000 + n, None), id="no-value"),
        pytest.param(
            lambda n: record(
                1_000 + n, b"%100d" % n, tuple([("".join(["ce_", str(k)]), b"%16d" % n) for k in range(8)])
            ),
            id="eight-headers",
        ),
    ],
)
def test_size_of_a_frame_is_close_to_what_the_records_take(make):
    count = 2_000
    gc.collect()
    tracemalloc.start()
    try:
        records = [make(n) for n in range(count)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.8 * taken < resident_bytes(records) < 2 * taken
