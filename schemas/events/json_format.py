"""The JSON event format (structured mode): one JSON object becomes an event whose data bytes are those that were sent.

Parsing the data is not done here; it stays a slice of the message, because that slice is what was signed.
"""

import re

import msgspec

from schemas.errors import Rejection
from schemas.events.attributes import (
    CORE_ATTRIBUTES,
    EXTENSION_TYPES,
    MATERIAL_ATTRIBUTES,
    MAX_EXTENSIONS,
    NAME_RULE,
    AttributeType,
    AttributeValue,
    canonical_text,
    check_text,
    decode_base64,
    is_extension_name,
)
from schemas.events.event import Event, build_event
from schemas.reasons import Reason

_TEXT_ATTRIBUTES = CORE_ATTRIBUTES | MATERIAL_ATTRIBUTES
_MAX_MEMBERS = len(_TEXT_ATTRIBUTES) + MAX_EXTENSIONS + 2
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING = msgspec.json.Decoder(str)
_SCALAR = msgspec.json.Decoder(bool | int | str | None)
_NAME = re.compile(rb'[ \t\r\n]*("[^"\\]*(?:\\.[^"\\]*)*")[ \t\r\n]*:[ \t\r\n]*')
_AFTER = re.compile(rb"[ \t\r\n]*([,}])")
_JSON_MEDIA_TYPE = re.compile(r"[^/]+/(?:json|[^/]+\+json)")


def decode_json_event(text: bytes | None) -> Event:
    """Decode an event in `application/cloudevents+json`.

    `data` under a JSON media type (or none) is kept as the exact slice of `text`; under another media type it must be
    a string and becomes its UTF-8. `data_base64` becomes the bytes it stands for. Attributes that are null are absent.

    Raises:
        Rejection: `malformed` or `oversized`.
    """
    if text is None:
        raise Rejection(Reason.MALFORMED, "a structured event without a value")
    members = _members(text)
    data = members.pop("data", None)
    data_base64 = members.pop("data_base64", None)
    core: dict[str, str] = {}
    extensions: dict[str, AttributeValue] = {}
    for name, raw in members.items():
        if name not in _TEXT_ATTRIBUTES and not is_extension_name(name):
            raise Rejection(Reason.MALFORMED, f"a member does not name an attribute: {NAME_RULE}")
        value = _attribute(name, raw)
        if value is None:
            continue
        if name not in _TEXT_ATTRIBUTES:
            extensions[name] = value
        elif isinstance(value, str):
            core[name] = value
        else:
            raise Rejection(Reason.MALFORMED, f"attribute {name} is not a string")
    return build_event(core, extensions, _data(data, data_base64, core.get("datacontenttype")))


def _members(text: bytes) -> dict[str, msgspec.Raw]:
    try:
        members = _MEMBERS.decode(text)
        if len(members) > _MAX_MEMBERS:
            raise Rejection(Reason.OVERSIZED, f"more than {MAX_EXTENSIONS} extension attributes")
        if _has_duplicates(text, members):
            raise Rejection(Reason.MALFORMED, "the structured event names a member twice")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Rejection(Reason.MALFORMED, "the structured event is not a JSON object") from None
    return members


def _has_duplicates(text: bytes, members: dict[str, msgspec.Raw]) -> bool:
    """Whether the object, known to be well-formed, names a member twice: the parser kept the last one silently.

    Walks from member to member by the values that were kept. A value that was replaced by a later one either differs
    from the text at its first place, or adds a member to the count; a number that is only a prefix of the text there
    is not followed by a comma or a brace.
    """
    position = text.index(b"{") + 1
    last = len(members) - 1
    for index in range(len(members)):
        name = _NAME.match(text, position)
        if name is None:
            return True
        value = bytes(members[_STRING.decode(name[1])])
        if not text.startswith(value, name.end()):
            return True
        after = _AFTER.match(text, name.end() + len(value))
        if after is None or (after[1] == b"}") != (index == last):
            return True
        position = after.end()
    return False


def _attribute(name: str, raw: msgspec.Raw) -> AttributeValue | None:
    try:
        value = _SCALAR.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Rejection(Reason.MALFORMED, f"attribute {name} is not a boolean, an integer or a string") from None
    if isinstance(value, str):
        check_text(name, value, len(value.encode()))
        return value
    if value is None:
        return None
    if not isinstance(value, bool) and (not -(2**31) <= value < 2**31 or bytes(raw) != b"%d" % value):
        raise Rejection(Reason.MALFORMED, f"attribute {name} is not a 32-bit integer in its shortest form")
    # In binary mode a number under a String extension can't be told from its text, so it is the text here as well.
    return canonical_text(value) if EXTENSION_TYPES.get(name) is AttributeType.STRING else value


def _data(data: msgspec.Raw | None, data_base64: msgspec.Raw | None, media_type: str | None) -> bytes | None:
    if data is not None and data_base64 is not None:
        raise Rejection(Reason.MALFORMED, "both data and data_base64 are given")
    try:
        if data_base64 is not None:
            return decode_base64(_STRING.decode(data_base64))
        if data is None:
            return None
        if not media_type or _JSON_MEDIA_TYPE.fullmatch(media_type.partition(";")[0].strip().lower()):
            return bytes(data)
        return _STRING.decode(data).encode()
    except (msgspec.MsgspecError, ValueError):
        member = "data" if data_base64 is None else "data_base64"
        raise Rejection(Reason.MALFORMED, f"{member} is not the string that its media type asks for") from None
