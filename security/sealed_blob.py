"""The stored form of a record's sealed fields: which fields, at which tier, and their ciphertexts. No key is used here.

    msgpack [version, counter, [[name, tier, ciphertext], ...]]

Version 1 holds fields that are committed to with HMAC-SHA-256, version 2 those with HMAC-SM3; each field is bound
to it.

The i-th field's nonce is `counter + i` as 12 bytes big-endian. Sealing is security.sealing, opening security.opening.
"""

import uuid
from typing import Annotated, Final

import msgspec

from schemas.errors import VerificationFailed
from security.commitment import Commitments

_COMMITMENTS: Final = {1: Commitments.SHA256, 2: Commitments.SM3}
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


def encode_blob(counter: int, fields: list[SealedField], commitments: Commitments = Commitments.SHA256) -> bytes:
    """Join the sealed fields of one record.

    Args:
        counter: The first field's nonce counter; the others follow it.
        fields: In the order of their counters.
        commitments: How their values are committed to.
    """
    # Looked up in a dict, an enum costs a call of its own hash.
    return _encode((1 if commitments is Commitments.SHA256 else 2, counter, fields))


def decode_blob(record_id: bytes, blob: bytes) -> tuple[int, list[SealedField], Commitments]:
    """Take a blob apart; only the one form that `encode_blob` gives is accepted.

    Args:
        record_id: The record the blob is stored with, for the error's text.
        blob: The stored bytes.

    Returns:
        The first counter, the sealed fields, and how their values are committed to.

    Raises:
        SealBroken: The bytes are no blob, are of another version, or name a field twice.
    """
    try:
        version, counter, fields = _decode(blob)
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:  # the latter for a name that is no UTF-8
        raise SealBroken(record_id, "the list of its fields") from exc
    # Encoding again refuses whatever has a second spelling, such as 1 in nine bytes.
    commitments = _COMMITMENTS.get(version)
    if commitments is None or _encode((version, counter, fields)) != blob:
        raise SealBroken(record_id, "the list of its fields")
    if len({name for name, _, _ in fields}) != len(fields):
        raise SealBroken(record_id, "a field that is there twice")
    return counter, fields, commitments


def field_tiers(record_id: bytes, blob: bytes) -> tuple[tuple[str, int], ...]:
    """The names and tiers of sealed fields, as their blob has them; opening one establishes that they are its own.

    Raises:
        SealBroken: As `decode_blob`.
    """
    return tuple([(name, tier) for name, tier, _ in decode_blob(record_id, blob)[1]])


def shown_name(name: str) -> str:
    """A field's name for an error's text; a name that was tampered with must not write into a log."""
    return f"field {name!r}" if len(name) <= 64 and name.isprintable() else "a field with a damaged name"
