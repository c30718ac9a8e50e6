"""Cursors of lists: opaque to the client, and good for the person and the list that they were given for, alone.

They are encrypted, since the place where a page ends may be a record of which its reader may see nothing.
"""

import base64
import binascii
import datetime as dt
import hashlib
import struct
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from sealstream.api.problems import Problem
from streams.storage.reading import Cursor

MAX_CURSOR: Final = 128
_FORM: Final = struct.Struct(">q16s")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_TICK: Final = dt.timedelta(microseconds=1)


class Cursors:
    """Makes and reads them, by AES-SIV (RFC 5297): the same place is the same text, and there is no nonce to repeat.

    Args:
        key: Secret, of the platform: every process takes every process's cursors.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(hashlib.sha512(key).digest())

    def text(self, cursor: Cursor | None, *bound: str) -> str | None:
        """As the client has it; None after the last page.

        Args:
            bound: What it is good for.
        """
        if cursor is None:
            return None
        place = _FORM.pack((cursor.created_at - _EPOCH) // _TICK, cursor.record_id.bytes)
        return base64.urlsafe_b64encode(self._cipher.encrypt(place, _associated(bound))).rstrip(b"=").decode()

    def read(self, text: str | None, *bound: str) -> Cursor | None:
        """Read one; None, where none was given, is the first page.

        Raises:
            Problem: It is not one that we gave for this.
        """
        if text is None:
            return None
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
                raise ValueError("not canonical")
            ticks, name = _FORM.unpack(self._cipher.decrypt(raw, _associated(bound)))
        except (binascii.Error, ValueError, InvalidTag):
            why = "the cursor is not one that was given for this list; begin anew"
            raise Problem(400, "invalid_cursor", why) from None
        return Cursor(_EPOCH + ticks * _TICK, UUID(bytes=name))


def _associated(bound: tuple[str, ...]) -> list[bytes]:
    return [each.encode() for each in bound]
