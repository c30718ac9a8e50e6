"""Cursors of lists: opaque to the client, and good for the person and the list that they were given for, alone."""

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import struct
from typing import Final
from uuid import UUID

from sealstream.api.problems import Problem
from streams.storage.reading import Cursor

MAX_CURSOR: Final = 128
_FORM: Final = struct.Struct(">q16s")
_MAC_BYTES: Final = 16
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_TICK: Final = dt.timedelta(microseconds=1)


class Cursors:
    """Makes and reads them.

    Args:
        key: Secret, of the platform: every process takes every process's cursors.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def text(self, cursor: Cursor, *bound: str) -> str:
        """As the client has it.

        Args:
            bound: What it is good for.
        """
        body = _FORM.pack((cursor.created_at - _EPOCH) // _TICK, cursor.record_id.bytes)
        return base64.urlsafe_b64encode(body + self._mac(body, bound)).rstrip(b"=").decode()

    def read(self, text: str, *bound: str) -> Cursor:
        """Read one.

        Raises:
            Problem: It is not one that we gave for this.
        """
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            canonical = base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == text
        except (binascii.Error, ValueError):
            raw, canonical = b"", False
        body, mac = raw[: _FORM.size], raw[_FORM.size :]
        if not canonical or not hmac.compare_digest(mac, self._mac(body, bound)):
            raise Problem(400, "invalid_cursor", "the cursor is not one that was given for this list; begin anew")
        ticks, name = _FORM.unpack(body)
        return Cursor(_EPOCH + ticks * _TICK, UUID(bytes=name))

    def _mac(self, body: bytes, bound: tuple[str, ...]) -> bytes:
        place = b"".join([struct.pack(">I", len(each.encode())) + each.encode() for each in bound])
        return hmac.digest(self._key, hashlib.sha256(place).digest() + body, "sha256")[:_MAC_BYTES]
