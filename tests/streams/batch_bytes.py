"""Batches as they stand in a log, sound and hostile, for the tests of the frame transport."""

import struct
from collections.abc import Iterable, Sequence

from aiokafka.record.default_records import DefaultRecordBatchBuilder, _DefaultRecordBatchBuilderPy
from aiokafka.record.util import calc_crc32c

CODECS = {None: 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}

LENGTH_AT, EPOCH_AT, CRC_AT, CRC_ENDS, DELTA_AT, COUNT_AT = 8, 12, 17, 21, 23, 57


class HeaderName(str):
    """Encodes to something that is not UTF-8, as a hostile producer may."""

    __slots__ = ()

    def encode(self, *args: str) -> bytes:
        return b"\xff\xfe"


HOSTILE = [(HeaderName("h"), b"")]
"""Headers that no decoder of text takes."""


def batch(
    base: int,
    values: Iterable[bytes | None],
    *,
    compression: str | None = None,
    headers: Sequence[Sequence[tuple[str, bytes | None]]] = (),
    deltas: Sequence[int] | None = None,
    last_delta: int | None = None,
    count: int | None = None,
    epoch: int = 5,
    producer_id: int = -1,
) -> bytes:
    """A batch in a log, with its checksum right.

    Args:
        headers: Of each record; the others have none.
        deltas: Offsets within the batch in place of 0, 1, 2 …
        last_delta: In the batch's header, in place of the last one's.
        count: In the batch's header.
    """
    hostile = any(isinstance(name, HeaderName) for each in headers for name, _ in each)
    kind = _DefaultRecordBatchBuilderPy if hostile else DefaultRecordBatchBuilder  # the compiled one takes no such name
    builder = kind(2, CODECS[compression], producer_id >= 0, producer_id, 0 if producer_id >= 0 else -1, -1, 1 << 30)
    items = list(values)
    for n, value in enumerate(items):
        own = list(headers[n]) if n < len(headers) else []
        assert builder.append(deltas[n] if deltas else n, 1_000 + n, None, value, own) is not None
    packed = bytearray(builder.build())
    struct.pack_into(">q", packed, 0, base)
    struct.pack_into(">i", packed, EPOCH_AT, epoch)
    struct.pack_into(">i", packed, DELTA_AT, len(items) - 1 if last_delta is None else last_delta)
    if count is not None:
        struct.pack_into(">i", packed, COUNT_AT, count)
    return sealed(packed)


def sealed(packed: bytearray) -> bytes:
    """With the checksum of what is there now."""
    struct.pack_into(">I", packed, CRC_AT, calc_crc32c(bytes(packed[CRC_ENDS:])))
    return bytes(packed)


def broken(packed: bytes) -> bytes:
    """With another checksum."""
    changed = bytearray(packed)
    changed[CRC_AT] ^= 1
    return bytes(changed)
