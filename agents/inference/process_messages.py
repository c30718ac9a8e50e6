"""What a process that hosts models and its owner say to each other: messages in MessagePack, each after its length."""

import struct
from typing import Final

import msgspec

from agents.inference.text_model import PreparedText, TextAnswer

LENGTH: Final = struct.Struct("<I")
LARGEST: Final = 256 * 1024 * 1024
"""Bytes of a message; more is nonsense."""


class Load(msgspec.Struct, frozen=True, tag="load"):
    """The first thing a process hears.

    Attributes:
        directories: Of the models.
        provider: Execution provider that must be in force.
    """

    directories: tuple[str, ...]
    provider: str


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """Every model is loaded: of each name and version, digest, labels."""

    models: tuple[tuple[str, str, str, tuple[str, ...]], ...]


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """A model can't be loaded, and trying again would not help."""

    why: str


class Work(msgspec.Struct, frozen=True, tag="work"):
    """A batch of one model, named `name@version`."""

    model: str
    texts: tuple[PreparedText, ...]


class Done(msgspec.Struct, frozen=True, tag="done"):
    """Its answers, and the tokens that were computed for them.

    Attributes:
        held_us: Microseconds in which it stood still for urgent batches of the same process.
    """

    answers: tuple[TextAnswer, ...]
    tokens: int
    padded: int
    held_us: int = 0


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The batch has no answers.

    Attributes:
        device: The device is to blame and not the work.
        why: Holds nothing of the texts.
    """

    device: bool
    why: str


Request = Load | Work
Reply = Loaded | Refused | Done | Failed

_REQUESTS: Final = msgspec.msgpack.Decoder(Request)
_REPLIES: Final = msgspec.msgpack.Decoder(Reply)


def framed(message: Request | Reply) -> bytes:
    """A message after its length."""
    content = msgspec.msgpack.encode(message)
    return LENGTH.pack(len(content)) + content


def read_request(content: bytes) -> Request:
    """Decode what the owner sent."""
    request: Request = _REQUESTS.decode(content)
    return request


def read_reply(content: bytes) -> Reply:
    """Decode what the process sent.

    Raises:
        msgspec.MsgspecError: It is no message.
    """
    reply: Reply = _REPLIES.decode(content)
    return reply
