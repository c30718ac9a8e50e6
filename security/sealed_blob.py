"""The stored form of a record's sealed fields: which fields, at which tier, and their ciphertexts. No key is used here.

    msgpack [1, counter, [[name, tier, ciphertext], ...]]

The i-th field's nonce is `counter + i` as 12 bytes big-endian. Sealing and opening is security.sealing.
"""

import uuid
from typing import Annotated, Final

import msgspec

from schemas.errors import VerificationFailed

BLOB_VERSION: Final = 1
_MAX_COUNTER: Final = 2**63 - 1

SealedField = tuple[
    Annotated[str, msgspec.Meta(min_length=1)],
    Annotated[int, msgspec.Meta(ge=1, le=5)],
    bytes,
]
"""Name, tier, ciphertext with its 16-byte tag."""

_Blob = tuple[int, Annotated[int, msgspec.Meta(ge=0, le=_MAX_COUNTER)], list[SealedField]]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Blob).decode


class SealBroken(VerificationFailed):
    """Sealed data does not open as what its place says: it was altered, moved, or its data key was.

    Attributes:
        record_id: The record, as text.
        field: The field's name, or what in the blob is wrong.
    """

    def __init__(self, record_id: bytes, field: str) -> None:
        record = str(uuid.UUID(bytes=record_id)) if len(record_id) == 16 else record_id.hex()
        super().__init__(f"sealed data of record {record} is broken at {field}; restore the row from a backup")
        self.record_id = record
        self.field = field


def encode_blob(counter: int, fields: list[SealedField]) -> bytes:
    """Join the sealed fields of one record.

    Args:
        counter: The first field's nonce counter; the others follow it.
        fields: In the order of their counters.
    """
    return _encode((BLOB_VERSION, counter, fields))


def decode_blob(record_id: bytes, blob: bytes) -> tuple[int, list[SealedField]]:
    """Take a blob apart; only the one form that `encode_blob` gives is accepted.

    Args:
        record_id: The record the blob is stored with, for the error's text.
        blob: The stored bytes.

    Returns:
        The first counter, and the sealed fields.

    Raises:
        SealBroken: The bytes are no blob, are of another version, or name a field twice.
    """
    try:
        version, counter, fields = _decode(blob)
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:  # the latter for a name that is no UTF-8
        raise SealBroken(record_id, "the list of its fields") from exc
    # Encoding again refuses whatever has a second spelling, such as 1 in nine bytes.
    if version != BLOB_VERSION or _encode((version, counter, fields)) != blob:
        raise SealBroken(record_id, "the list of its fields")
    if len({name for name, _, _ in fields}) != len(fields):
        raise SealBroken(record_id, "a field that is there twice")
    return counter, fields


def shown_name(name: str) -> str:
    """A field's name for an error's text; a name that was tampered with must not write into a log."""
    return f"field {name!r}" if len(name) <= 64 and name.isprintable() else "a field with a damaged name"
