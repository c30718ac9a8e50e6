"""What one fetch brought from a partition, with batches in it that nobody can unpack."""

import hashlib
import struct
from collections.abc import Iterator

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from streams.frames.batches import FetchedRecord, GuardedPartition, GuardedRecords, UnreadableBatch
from streams.frames.decompression import MAX_BATCH_BYTES, bound_decompression
from tests.streams.batch_bytes import CODECS, EPOCH_AT, HOSTILE, LENGTH_AT, batch, broken, sealed

LIMIT = 50_000
ATTRIBUTES_AT, HEADER_ENDS = 21, 61
# Base offset, length, checksum, version 0, no codec, a key of -2 bytes, and a value.
LEGACY_WITH_A_SIZE_BELOW_NOTHING = struct.pack(">qiIbbii", 10, 36, 0, 0, 0, -2, 22) + bytes(22)
TRANSACTIONAL, CONTROL = 16, 32
PLACE = TopicPartition("t", 3)
Item = FetchedRecord | UnreadableBatch


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    bound_decompression(LIMIT)
    yield
    bound_decompression(MAX_BATCH_BYTES)


def unpack(
    data: bytes, position: int = 0, aborted: list[tuple[int, int]] | None = None
) -> tuple[list[Item], GuardedPartition]:
    partition = GuardedPartition(PLACE, GuardedRecords(data), aborted or [], position, None, None, True, READ_COMMITTED)
    return list(partition), partition


def offsets(items: list[Item]) -> list[int]:
    return [item.offset for item in items if isinstance(item, FetchedRecord)]


@given(
    st.lists(
        st.tuples(st.lists(st.none() | st.binary(max_size=50), min_size=1, max_size=8), st.sampled_from(list(CODECS))),
        max_size=5,
    ),
    st.integers(0, 12),
)
def test_sound_batches_are_unpacked_as_aiokafka_does(batches: list, position: int) -> None:
    data, base = b"", 0
    for values, compression in batches:
        headers = [[("h", b"1"), ("h", None)]] * len(values)
        data += batch(base, values, compression=compression, headers=headers)
        base += len(values)
    theirs = PartitionRecords(PLACE, MemoryRecords(data), [], position, None, None, True, READ_COMMITTED)
    expected = [(r.offset, r.timestamp, r.timestamp_type, r.key, r.value, r.headers) for r in theirs]
    ours, partition = unpack(data, position)
    assert [(r.offset, r.timestamp, r.timestamp_type, r.key, r.value, r.headers) for r in ours] == expected
    assert partition.next_fetch_offset == theirs.next_fetch_offset
    assert {(r.topic, r.partition, r.leader_epoch) for r in ours} <= {("t", 3, 5)}


@pytest.mark.parametrize("compression", [name for name in CODECS if name])
def test_a_batch_that_unpacks_to_too_much_is_told_by_its_header(compression: str) -> None:
    bomb = batch(10, [bytes(LIMIT), b"", b""], compression=compression)
    items, partition = unpack(batch(9, [b"before"]) + bomb + batch(13, [b"after"]), 9)
    assert offsets(items) == [9, 13]
    found = items[1]
    assert isinstance(found, UnreadableBatch)
    assert (found.first, found.last, found.count, found.why) == (10, 12, 3, "oversized")
    assert (found.topic, found.partition, found.timestamp, found.timestamp_type) == ("t", 3, 1_002, 0)
    assert str(LIMIT) in found.detail
    assert (found.header, found.digest) == (bomb[:61], hashlib.sha256(bomb).digest())
    assert partition.next_fetch_offset == 14


def test_what_can_be_read_of_a_malformed_batch_is_read() -> None:
    data = batch(10, [b"a", b"b", b"secret", b"d"], headers=[[], [], HOSTILE])
    items, _ = unpack(data + batch(14, [b"after"]))
    assert offsets(items) == [10, 11, 14]
    found = items[2]
    assert isinstance(found, UnreadableBatch)
    assert (found.first, found.last, found.count, found.why) == (12, 13, 2, "malformed")
    assert "secret" not in found.detail


def test_reading_on_within_an_unreadable_batch_passes_over_the_rest_alone() -> None:
    (found,), partition = unpack(batch(10, [bytes(LIMIT + 1), b"", b"", b""], compression="zstd"), 12)
    assert isinstance(found, UnreadableBatch)
    assert (found.first, found.last, found.count) == (12, 13, 2)
    assert partition.next_fetch_offset == 14


def test_a_compacted_batch_does_not_tell_how_many_records_are_left() -> None:
    (found,), _ = unpack(batch(10, [bytes(LIMIT + 1), b""], compression="gzip", deltas=[2, 7], last_delta=9))
    assert isinstance(found, UnreadableBatch)
    assert (found.first, found.last, found.count) == (10, 19, None)


@pytest.mark.parametrize(
    ("deltas", "last_delta", "readable", "span"),
    [
        pytest.param([0, 1, 9_000], 2, [10, 11], (12, 12), id="beyond-its-batch"),
        pytest.param([0, 1, 1], 2, [10, 11], (12, 12), id="twice"),
        pytest.param([1, 0, 2], 2, [11], (12, 12), id="backwards"),
    ],
)
def test_a_record_out_of_place_moves_no_position(
    deltas: list[int], last_delta: int, readable: list[int], span: tuple[int, int]
) -> None:
    data = batch(10, [b"a", b"b", b"c"], deltas=deltas, last_delta=last_delta)
    items, partition = unpack(data + batch(13, [b"after"]))
    assert offsets(items) == [*readable, 13]
    (found,) = (item for item in items if isinstance(item, UnreadableBatch))
    assert (found.first, found.last, found.why) == (*span, "malformed")
    assert partition.next_fetch_offset == 14


def test_something_behind_the_records_of_a_batch_takes_none_of_them_away() -> None:
    items, _ = unpack(batch(10, [b"a", b"b", b"c"], count=2, last_delta=1) + batch(12, [b"after"]))
    assert offsets(items) == [10, 11, 12]
    assert len(items) == 3


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(broken(batch(10, [b"a", b"b"])), id="checksum"),
        pytest.param(batch(10, [], last_delta=-5, count=2), id="offsets"),
        pytest.param(batch(10, [b"a"])[:8] + b"\0\0\0\x20" + batch(10, [b"a"])[12:44], id="length"),
    ],
)
def test_nothing_is_believed_of_a_corrupt_batch_nor_read_behind_it(bad: bytes) -> None:
    items, _ = unpack(batch(8, [b"x", b"y"]) + bad + batch(12, [b"after"]))
    assert offsets(items) == [8, 9]
    found = items[-1]
    assert isinstance(found, UnreadableBatch)
    assert (found.first, found.last, found.count, found.why) == (10, 10, None, "corrupt")


def test_a_batch_shorter_than_its_beginning_is_corrupt() -> None:
    (found,) = unpack(bytes(14))[0]
    assert isinstance(found, UnreadableBatch)
    assert found.why == "corrupt"


def test_an_old_batch_with_a_size_below_nothing_is_corrupt() -> None:
    (found,) = unpack(LEGACY_WITH_A_SIZE_BELOW_NOTHING)[0]
    assert isinstance(found, UnreadableBatch)
    assert found.why == "corrupt"


@pytest.mark.parametrize(
    "marker",
    [
        pytest.param([b"no marker"], id="no-key"),
        pytest.param([], id="no-record"),
    ],
)
def test_a_transaction_marker_that_cannot_be_read_is_not_passed_over(marker: list[bytes]) -> None:
    changed = bytearray(batch(10, [b"a"], producer_id=77))
    changed[ATTRIBUTES_AT + 1] |= TRANSACTIONAL | CONTROL
    if not marker:
        changed = changed[:HEADER_ENDS] + b"\x7f" * 9
        struct.pack_into(">i", changed, LENGTH_AT, len(changed) - EPOCH_AT)
    items, _ = unpack(batch(8, [b"x", b"y"]) + sealed(changed) + batch(11, [b"after"]))
    assert offsets(items) == [8, 9]
    found = items[-1]
    assert isinstance(found, UnreadableBatch)
    assert (found.first, found.why) == (10, "corrupt")


def test_unreadable_batches_of_aborted_transactions_are_passed_over_with_them() -> None:
    aborted = batch(10, [bytes(LIMIT + 1)], compression="zstd", producer_id=77)
    other = batch(11, [bytes(LIMIT + 1)], compression="zstd", producer_id=78)
    items, _ = unpack(aborted + other, aborted=[(77, 10)])
    assert [(item.first, item.why) for item in items if isinstance(item, UnreadableBatch)] == [(11, "oversized")]
