"""CloudEvents attributes: names, limits, types and canonical forms (CloudEvents 1.0 section 3, Verifiability).

Reading attributes out of messages is schemas.events.kafka_binding and schemas.events.json_format.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec

from schemas.errors import Rejection
from schemas.events.timestamp import canonical_timestamp
from schemas.reasons import Reason

AttributeValue = str | bool | int
"""A canonical string, or the typed value where the format of the message told the type (structured JSON)."""

REQUIRED_ATTRIBUTES = ("id", "source", "specversion", "type")
CORE_ATTRIBUTES = frozenset({*REQUIRED_ATTRIBUTES, "datacontenttype", "dataschema", "subject", "time"})
MATERIAL_ATTRIBUTES = frozenset({"dssematerial", "batchmaterial"})
"""Signature material: carried beside the extensions, because it can never be covered by the signature it holds."""

MAX_NAME_CHARACTERS = 64
"""The standard only advises not to exceed 20, so longer names are to be taken; header names are bounded by this."""
NAME_RULE = f"1 to {MAX_NAME_CHARACTERS} of a-z and 0-9"

MAX_IDENTIFIER_BYTES = 1024
MAX_ATTRIBUTE_BYTES = 4096
MAX_MATERIAL_BYTES = 64 * 1024
MAX_EXTENSIONS = 64
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""Of a record's value."""

SHORT_BYTES = min(MAX_IDENTIFIER_BYTES, MAX_ATTRIBUTE_BYTES, MAX_MATERIAL_BYTES)
"""No attribute of at most so many bytes is too long."""

_LIMITS = {"id": MAX_IDENTIFIER_BYTES, "source": MAX_IDENTIFIER_BYTES} | dict.fromkeys(
    MATERIAL_ATTRIBUTES, MAX_MATERIAL_BYTES
)
_NAME = re.compile(rf"[a-z0-9]{{1,{MAX_NAME_CHARACTERS}}}")
# Control characters, lone surrogates and the 66 noncharacters; everything else is a CloudEvents String.
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17))
    + "]"
)


class AttributeType(StrEnum):
    """The CloudEvents type system."""

    BOOLEAN = "Boolean"
    INTEGER = "Integer"
    STRING = "String"
    BINARY = "Binary"
    URI = "URI"
    URI_REFERENCE = "URI-reference"
    TIMESTAMP = "Timestamp"


EXTENSION_TYPES: Mapping[str, AttributeType] = MappingProxyType(
    dict.fromkeys(
        (
            "causationid",
            "correlationid",
            "datacategory",
            "dataclassification",
            "datalevel",
            "dataregulation",
            "partitionkey",
            "sequence",
            "traceparent",
            "tracestate",
        ),
        AttributeType.STRING,
    )
    | dict.fromkeys(("deprecationfrom", "deprecationsunset", "expirytime", "recordedtime"), AttributeType.TIMESTAMP)
)
"""Types of the extensions we know. Every other one is a String in binary mode: the canonical bytes of Boolean, Integer,
URI and URI-reference are those of their text, so only an unknown Binary or Timestamp would be read differently, and
then its digest fails instead of passing unchecked."""


def extension_type(name: str) -> AttributeType:
    """The type by which an extension is hashed."""
    return EXTENSION_TYPES.get(name, AttributeType.STRING)


def is_extension_name(name: str) -> bool:
    """Whether `name` may name an extension: a-z and 0-9, at most 64, no core attribute, not `data`."""
    return _NAME.fullmatch(name) is not None and name not in CORE_ATTRIBUTES and name != "data"


def check_text(name: str, text: str, size: int) -> None:
    """Refuse what no CloudEvents String may hold, or what is longer than we take.

    Args:
        name: The attribute, for the detail.
        text: Its value.
        size: Bytes of the value in UTF-8.

    Raises:
        Rejection: `malformed` for a character that is not allowed, `oversized` for the length.
    """
    limit = _LIMITS.get(name, MAX_ATTRIBUTE_BYTES)
    if size > limit:
        raise Rejection(Reason.OVERSIZED, f"attribute {name} is longer than {limit} bytes")
    # Printable ASCII is settled by two C calls; the pattern is for the rest.
    if not (text.isascii() and text.isprintable()) and _FORBIDDEN.search(text):
        raise Rejection(Reason.MALFORMED, f"attribute {name} holds a control character or a noncharacter")


def canonical_text(value: AttributeValue) -> str:
    """The canonical string of a value, as a header carries it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def canonical_bytes(value: AttributeValue | None, kind: AttributeType) -> bytes:
    """The bytes that stand for a value in a Verifiability digest; an absent value is no bytes.

    Raises:
        ValueError: A Timestamp or Binary value does not have that form.
    """
    if value is None:
        return b""
    if kind is AttributeType.TIMESTAMP:
        return canonical_timestamp(canonical_text(value)).encode()
    if kind is AttributeType.BINARY:
        return decode_base64(canonical_text(value))
    return canonical_text(value).encode()


def decode_base64(text: str) -> bytes:
    """Decode RFC 4648 base64 with its padding and nothing else: no line breaks, no second alphabet, no stray bits.

    Raises:
        ValueError: The text is not that; it is not repeated.
    """
    try:
        # msgspec's decoder: for long texts a fifth of binascii's time, and binascii lets a stray "=" pass at the end.
        value = msgspec.convert(text, bytes)
    except (msgspec.ValidationError, UnicodeEncodeError):
        raise ValueError("not base64") from None
    # The bits that padding leaves over are zero in the one canonical spelling (section 3.5).
    if text.endswith("=") and (text[-3] not in "AQgw" if text[-2] == "=" else text[-2] not in "AEIMQUYcgkosw048"):
        raise ValueError("not base64")
    return value
