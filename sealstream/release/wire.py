"""What goes over the socket between the API and the key release, and how it is framed.

A frame is its length, 4 bytes big-endian, and so many bytes of msgpack. The release speaks first: 32 random bytes that
whoever connects signs with its worker's key. Then each request has a number, and its answer the same.
"""

import asyncio
import struct
from typing import Final, TypeVar

import msgspec

from schemas.errors import SealstreamError
from sealstream.release.messages import Answered, Asked

CHALLENGE_BYTES: Final = 32
MOST_ASKED: Final = 16 << 20
"""Bytes of a request."""

MOST_ANSWERED: Final = 256 << 20
"""Bytes of an answer: messages as received may be large, and a pack has many."""

_HEAD: Final = struct.Struct(">I")
M = TypeVar("M", Asked, Answered)


class BrokenFrame(SealstreamError):
    """Somebody on the other side of the socket does not speak as agreed."""

    def __init__(self) -> None:
        super().__init__("the other side of a release's socket does not speak as agreed; are both of one version?")


_ENCODER: Final = msgspec.msgpack.Encoder()
_ASKED: Final = msgspec.msgpack.Decoder(Asked)
_ANSWERED: Final = msgspec.msgpack.Decoder(Answered)


def framed(message: Asked | Answered) -> bytes:
    """A message as it is sent."""
    body = _ENCODER.encode(message)
    return _HEAD.pack(len(body)) + body


def body_length(head: bytes, most: int) -> int:
    """How long the frame is that begins so.

    Raises:
        BrokenFrame: Longer than anything may be.
    """
    (length,) = _HEAD.unpack(head)
    if length > most:
        raise BrokenFrame
    return int(length)


def read_asked(body: bytes) -> Asked:
    """A request.

    Raises:
        BrokenFrame: It is none.
    """
    return _decoded(_ASKED, body)


def read_answered(body: bytes) -> Answered:
    """An answer.

    Raises:
        BrokenFrame: It is none.
    """
    return _decoded(_ANSWERED, body)


def _decoded(decoder: msgspec.msgpack.Decoder[M], body: bytes) -> M:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, ValueError):  # which text that is not UTF-8 is too
        raise BrokenFrame from None


async def read_frame(reader: asyncio.StreamReader, most: int) -> bytes | None:
    """The next frame's body; None at the end.

    Raises:
        BrokenFrame: It is too long, or breaks off.
    """
    try:
        head = await reader.readexactly(_HEAD.size)
    except asyncio.IncompleteReadError as exc:
        if not exc.partial:
            return None
        raise BrokenFrame from None
    try:
        return await reader.readexactly(body_length(head, most))
    except asyncio.IncompleteReadError:
        raise BrokenFrame from None


HEAD_BYTES: Final = _HEAD.size
