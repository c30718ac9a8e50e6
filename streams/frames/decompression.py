"""Bounds what one compressed batch may unpack to, for every aiokafka consumer of this process.

A batch of 28 KB can unpack to 400 MB, before any limit on records has a say; aiokafka has none. It looks its decoders
up in two modules of its own, and this one puts bounded ones there. A test checks that each of them is used.
"""

import gzip
import io
import struct
import sys
import zlib
from collections.abc import Callable
from typing import Final

import cramjam
from aiokafka.errors import CorruptRecordException
from aiokafka.record import default_records, legacy_records

from streams.frames.errors import BatchTooLarge

XERIAL_HEADER: Final = b"\x82SNAPPY\x00"
XERIAL_HEADER_BYTES: Final = 16
MAX_BATCH_BYTES: Final = 64 << 20
GROWTH: Final = 8  # of the output buffer, from the packed size on; a wrong guess costs another pass
SMALLEST_BUFFER: Final = 4096

Decoder = Callable[[bytes | memoryview], bytes]


class BoundedDecoders:
    """Decoders of Kafka's codecs that give up at a limit.

    Args:
        limit_bytes: What one batch may unpack to.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes

    def gzip(self, packed: bytes | memoryview) -> bytes:
        """One or more gzip members."""
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
                unpacked = stream.read(self._limit + 1)
        except (OSError, EOFError, zlib.error) as exc:
            raise CorruptRecordException("a batch is not gzip") from exc
        if len(unpacked) > self._limit:
            raise BatchTooLarge(self._limit)
        return unpacked

    def snappy(self, packed: bytes | memoryview) -> bytes:
        """Raw snappy, or the block format of the Java library."""
        data = bytes(packed)
        if not data.startswith(XERIAL_HEADER):
            return self._snappy_block(data, self._limit)
        parts, left, at = [], self._limit, XERIAL_HEADER_BYTES
        while at < len(data):
            if len(data) - at < 4:
                raise CorruptRecordException("a snappy batch ends early")
            (size,) = struct.unpack_from(">i", data, at)
            block = data[at + 4 : at + 4 + size] if size > 0 else b""
            if not block or len(block) != size:
                raise CorruptRecordException("a snappy batch ends early")
            parts.append(self._snappy_block(block, left))
            left -= len(parts[-1])
            at += 4 + size
        return b"".join(parts)

    def _snappy_block(self, block: bytes, limit: int) -> bytes:
        try:
            if cramjam.snappy.decompress_raw_len(block) > limit:
                raise BatchTooLarge(self._limit)
            return bytes(cramjam.snappy.decompress_raw(block))
        except cramjam.DecompressionError as exc:
            raise CorruptRecordException("a batch is not snappy") from exc

    def lz4(self, packed: bytes | memoryview) -> bytes:
        """An LZ4 frame."""
        return self._into_a_buffer(cramjam.lz4.decompress_into, bytes(packed))

    def zstd(self, packed: bytes | memoryview) -> bytes:
        """Zstandard frames."""
        return self._into_a_buffer(cramjam.zstd.decompress_into, bytes(packed))

    def _into_a_buffer(self, decompress_into: Callable[[bytes, bytearray], int], packed: bytes) -> bytes:
        # These libraries stop at the end of the output they are given, and that is all the bound they know.
        size = min(self._limit, max(SMALLEST_BUFFER, GROWTH * len(packed)))
        while True:
            unpacked = bytearray(size)
            try:
                written = decompress_into(packed, unpacked)
            except cramjam.DecompressionError as exc:
                if size == self._limit:  # or corrupt: they do not say which
                    raise BatchTooLarge(self._limit) from exc
                size = min(self._limit, size * GROWTH)
            else:
                return bytes(memoryview(unpacked)[:written])


def bound_decompression(limit_bytes: int) -> None:
    """Bound the batches that this process unpacks from now on; the last call counts."""
    bounded = BoundedDecoders(limit_bytes)
    decoders: dict[str, Decoder] = {
        "gzip_decode": bounded.gzip,
        "snappy_decode": bounded.snappy,
        "lz4_decode": bounded.lz4,
        "zstd_decode": bounded.zstd,
    }
    # The batch classes are compiled where aiokafka's wheel has that, and Python otherwise.
    for batch in (default_records.DefaultRecordBatch, legacy_records.LegacyRecordBatch):
        module = sys.modules[batch.__module__]
        for name, decode in decoders.items():
            if hasattr(module, name):  # zstd came after the legacy format
                setattr(module, name, decode)
