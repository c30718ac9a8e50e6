"""CloudEvents over Kafka (protocol binding 1.0): telling the content modes apart, binary mode both ways.

Structured mode is handed to schemas.events.json_format. Fetching and producing records is streams.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter

from schemas.errors import Rejection
from schemas.events.attributes import (
    CORE_ATTRIBUTES,
    EXTENSION_TYPES,
    MATERIAL_ATTRIBUTES,
    NAME_RULE,
    SHORT_BYTES,
    AttributeValue,
    canonical_text,
    check_text,
    is_extension_name,
)
from schemas.events.event import Event, build_event
from schemas.events.json_format import decode_json_event
from schemas.reasons import Reason

_PREFIX = "ce_"
_CONTENT_TYPE = "content-type"
_STRUCTURED_PREFIX = "application/cloudevents"
_JSON_FORMAT = "application/cloudevents+json"

# `datacontenttype` is the header content-type and nothing else: a `ce_datacontenttype` would be a second truth.
_HEADER_BY_NAME = {name: f"{_PREFIX}{name}" for name in sorted(CORE_ATTRIBUTES | MATERIAL_ATTRIBUTES)} | {
    "datacontenttype": _CONTENT_TYPE
}
_HEADERS = tuple(_HEADER_BY_NAME.values())
_texts: Callable[[Event], tuple[str | None, ...]] = attrgetter(*_HEADER_BY_NAME)
_NAME_BY_HEADER = {header: name for name, header in _HEADER_BY_NAME.items()} | {
    f"{_PREFIX}{name}": name for name in EXTENSION_TYPES
}


def decode_event(headers: Sequence[tuple[str, bytes | None]], value: bytes | None) -> Event:
    """Decode one Kafka record.

    Header names are folded to lower case, so that two readers can't see two events in one record; any attribute or
    content type given twice is refused, in structured mode too, where the `ce_*` headers are otherwise only hints.

    Args:
        headers: Of the record, in order.
        value: The record's value; None is a record without data.

    Raises:
        Rejection: `malformed`; `oversized` for attributes beyond our limits; `unsupported_type` for a structured
            event in another format than JSON.
    """
    core: dict[str, str] = {}
    extensions: dict[str, AttributeValue] = {}
    for key, raw in headers:
        name = _NAME_BY_HEADER.get(key) or _attribute_name(key)
        if name is None:
            continue
        if name in core or name in extensions:
            raise Rejection(Reason.MALFORMED, f"attribute {name} is given twice")
        # Short printable ASCII, which is nearly everything, needs no other look.
        if raw is None or len(raw) > SHORT_BYTES or not raw.isascii() or not (text := raw.decode()).isprintable():
            text = _text(name, raw)
        if name in _HEADER_BY_NAME:
            core[name] = text
        else:
            extensions[name] = text
    content_type = core.get("datacontenttype")
    if content_type is not None and _is_structured(content_type):
        _check_format(content_type)
        return decode_json_event(value)
    return build_event(core, extensions, value)


def binary_headers(event: Event) -> list[tuple[str, bytes]]:
    """Headers of the record that carries `event` in binary mode; the record's value is `event.data`.

    Raises:
        ValueError: The media type of the data is one that would make receivers read structured mode.
    """
    if event.datacontenttype is not None and _is_structured(event.datacontenttype):
        raise ValueError("data that is itself a CloudEvent can't travel in binary mode")
    headers = [(header, text.encode()) for header, text in zip(_HEADERS, _texts(event), strict=True) if text]
    headers += [(f"{_PREFIX}{name}", canonical_text(value).encode()) for name, value in event.extensions.items()]
    return headers


def _is_structured(content_type: str) -> bool:
    return content_type[: len(_STRUCTURED_PREFIX)].lower() == _STRUCTURED_PREFIX


def _attribute_name(key: str) -> str | None:
    """The attribute that a header outside the table carries, or None for a header that is none of ours."""
    folded = key.lower()
    name = _NAME_BY_HEADER.get(folded)
    if name is not None:
        return name
    if not folded.startswith(_PREFIX):
        return None
    name = folded.removeprefix(_PREFIX)
    # Some letters outside ASCII fold into it (the Kelvin sign): such a key is not the attribute it looks like.
    if not key.isascii() or not is_extension_name(name):
        raise Rejection(Reason.MALFORMED, f"a ce_ header does not name an attribute: {NAME_RULE}")
    return name


def _text(name: str, raw: bytes | None) -> str:
    if raw is None:
        raise Rejection(Reason.MALFORMED, f"attribute {name} has no value")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Rejection(Reason.MALFORMED, f"attribute {name} is not UTF-8") from None
    check_text(name, text, len(raw))
    return text


def _check_format(content_type: str) -> None:
    media_type, *parameters = content_type.lower().split(";")
    if media_type.rstrip() != _JSON_FORMAT:
        raise Rejection(Reason.UNSUPPORTED_TYPE, "structured mode is read in the JSON event format alone")
    for parameter in parameters:
        attribute, _, charset = parameter.partition("=")
        if attribute.strip() == "charset" and charset.strip(' "') != "utf-8":
            raise Rejection(Reason.UNSUPPORTED_TYPE, "structured mode is read in UTF-8 alone")
