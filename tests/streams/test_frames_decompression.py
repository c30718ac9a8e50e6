"""Compressed batches, well-formed, broken and hostile."""

import gzip
import io
import struct

import cramjam
import pytest
from aiokafka import codec
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatch, LegacyRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from streams.frames.decompression import BoundedDecoders, bound_decompression
from streams.frames.errors import BatchTooLarge

LIMIT = 100_000
CODECS = {
    "gzip": codec.gzip_encode,
    "snappy": codec.snappy_encode,
    "snappy-raw": lambda data: bytes(codec.snappy_encode(data, xerial_compatible=False)),
    "lz4": codec.lz4_encode,
    "zstd": codec.zstd_encode,
}
NUMBERS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


def decoder(name: str, limit: int = LIMIT):
    return getattr(BoundedDecoders(limit), name.removesuffix("-raw"))


@pytest.mark.parametrize("name", CODECS)
@given(data=st.binary(max_size=2_000), times=st.integers(1, 40))
def test_decoding_inverts_encoding(name, data, times):
    assert decoder(name)(CODECS[name](data * times)) == data * times


@pytest.mark.parametrize("name", CODECS)
def test_the_limit_is_exact(name):
    assert decoder(name)(CODECS[name](bytes(LIMIT))) == bytes(LIMIT)
    with pytest.raises(BatchTooLarge, match=f"more than {LIMIT} bytes"):
        decoder(name)(CODECS[name](bytes(LIMIT + 1)))


@pytest.mark.parametrize("name", CODECS)
@given(data=st.binary(max_size=300))
def test_anything_else_is_refused_with_an_error_of_ours_or_aiokafkas(name, data):
    try:
        unpacked = decoder(name)(data)
    except (BatchTooLarge, CorruptRecordException):
        return
    assert len(unpacked) <= LIMIT


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("cut", [1, 9, 20])
def test_a_batch_that_ends_early_is_refused(name, cut):
    packed = CODECS[name](bytes(range(256)) * 50)
    with pytest.raises((BatchTooLarge, CorruptRecordException)):
        decoder(name)(packed[:-cut])


def test_gzip_members_count_together():
    packed = codec.gzip_encode(bytes(60_000)) * 2
    with pytest.raises(BatchTooLarge):
        decoder("gzip")(packed)
    assert decoder("gzip", 120_000)(packed) == bytes(120_000)


def test_many_empty_gzip_members_are_no_work():
    member = io.BytesIO()
    gzip.GzipFile(fileobj=member, mode="wb").close()
    assert decoder("gzip")(member.getvalue() * 5_000) == b""


def test_snappy_blocks_count_together():
    block = bytes(cramjam.snappy.compress_raw(bytes(60_000)))
    header = codec.snappy_encode(b"")[:16]
    blocks = struct.pack(">i", len(block)) + block
    with pytest.raises(BatchTooLarge):
        decoder("snappy")(header + blocks * 2)


@pytest.mark.parametrize("name", NUMBERS)
def test_aiokafka_unpacks_batches_with_them(name):
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=NUMBERS[name],
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 30,
    )
    builder.append(0, 0, None, bytes(LIMIT), [])
    batch = bytes(builder.build())
    _expect_bounded(lambda: list(DefaultRecordBatch(bytearray(batch))))


@pytest.mark.parametrize("name", [name for name in NUMBERS if name != "zstd"])
def test_aiokafka_unpacks_batches_of_the_old_format_with_them(name):
    builder = LegacyRecordBatchBuilder(1, NUMBERS[name], 1 << 30)
    builder.append(0, 0, None, bytes(LIMIT))
    batch = bytes(builder.build())
    _expect_bounded(lambda: list(LegacyRecordBatch(bytearray(batch), 1)))


def _expect_bounded(unpack):
    bound_decompression(LIMIT)
    try:
        with pytest.raises(BatchTooLarge):
            unpack()
        bound_decompression(LIMIT * 2)
        assert [record.value for record in unpack()] == [bytes(LIMIT)]
    finally:
        bound_decompression(64 << 20)
