"""Associated data of sealed things: parts joined so that no two lists of parts give the same bytes.

What has to be bound is decided where the sealing happens: security.field_binding, security.tier_keys and
security.file_keyring.
"""

import struct

_length = struct.Struct(">I").pack


def length_prefixed(*parts: bytes | str | int) -> bytes:
    """Join parts, each behind its length as 4 bytes big-endian; text as UTF-8, integers as decimal text.

    Joining is associative over concatenation: `length_prefixed(a, b) == length_prefixed(a) + length_prefixed(b)`, which
    lets a hot loop keep the constant front and back of its associated data.
    """
    return b"".join([length_prefixed_bytes(part if isinstance(part, bytes) else str(part).encode()) for part in parts])


def length_prefixed_bytes(part: bytes) -> bytes:
    """`length_prefixed` of one byte string, for a record's path."""
    return _length(len(part)) + part
