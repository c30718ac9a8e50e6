"""The event: what any content mode decodes to. Checking signatures and reading the data happen elsewhere."""

import msgspec

from schemas.errors import Rejection
from schemas.events.attributes import (
    EXTENSION_TYPES,
    MAX_EXTENSIONS,
    REQUIRED_ATTRIBUTES,
    AttributeType,
    AttributeValue,
    canonical_text,
)
from schemas.events.timestamp import is_rfc3339
from schemas.reasons import Reason

_TIMESTAMP_EXTENSIONS = frozenset(name for name, kind in EXTENSION_TYPES.items() if kind is AttributeType.TIMESTAMP)


# A Struct, not a dataclass: one is built for each record, and this takes a third of the time.
class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A CloudEvent as received: nothing in it is verified yet.

    An optional attribute that was sent empty is None or left out, since its digest is that of an absent one.

    Attributes:
        id: With `source` unique for each event.
        source: URI-reference of the producer's context; keys are bound to it.
        type: What kind of record the data is.
        specversion: Always `1.0`.
        datacontenttype: Media type of the data.
        dataschema: URI of the schema the data follows.
        subject: What the event is about, within its source.
        time: RFC 3339, as sent; only its seconds are ever signed.
        data: The bytes that are signed, untouched; None when there are none.
        extensions: The other attributes: canonical strings, and bool or int where structured JSON said so.
        dssematerial: Base64 text of the DSSE envelope.
        batchmaterial: Base64 text of the batch attestation.
    """

    id: str
    source: str
    type: str
    specversion: str = "1.0"
    datacontenttype: str | None = None
    dataschema: str | None = None
    subject: str | None = None
    time: str | None = None
    data: bytes | None = None
    extensions: dict[str, AttributeValue] = msgspec.field(default_factory=dict)
    dssematerial: str | None = None
    batchmaterial: str | None = None

    def __repr__(self) -> str:
        # Events end up in tracebacks: a repr with values would put a customer's data into a log.
        return f"<Event, {len(self.data or b'')} bytes of data>"


def build_event(core: dict[str, str], extensions: dict[str, AttributeValue], data: bytes | None) -> Event:
    """Make an event of attributes whose names and texts were checked one by one.

    Args:
        core: Core attributes and signature material by name.
        extensions: Everything else by name; the event keeps this dict.
        data: The data bytes.

    Raises:
        Rejection: `malformed` when a required attribute is missing, the version is not 1.0 or a timestamp is not
            RFC 3339; `oversized` for too many extensions.
    """
    for name in REQUIRED_ATTRIBUTES:
        if not core.get(name):
            raise Rejection(Reason.MALFORMED, f"not a CloudEvent: attribute {name} is missing or empty")
    if core["specversion"] != "1.0":
        raise Rejection(Reason.MALFORMED, "attribute specversion is not 1.0")
    time = core.get("time")
    if time is not None and not is_rfc3339(time):
        raise Rejection(Reason.MALFORMED, "attribute time is not an RFC 3339 timestamp")
    return Event(
        id=core["id"],
        source=core["source"],
        type=core["type"],
        datacontenttype=core.get("datacontenttype") or None,
        dataschema=core.get("dataschema") or None,
        subject=core.get("subject") or None,
        time=time,
        data=data,
        extensions=_checked(extensions) if extensions else extensions,
        dssematerial=core.get("dssematerial") or None,
        batchmaterial=core.get("batchmaterial") or None,
    )


def _checked(extensions: dict[str, AttributeValue]) -> dict[str, AttributeValue]:
    if len(extensions) > MAX_EXTENSIONS:
        raise Rejection(Reason.OVERSIZED, f"more than {MAX_EXTENSIONS} extension attributes")
    if not _TIMESTAMP_EXTENSIONS.isdisjoint(extensions):
        for name in _TIMESTAMP_EXTENSIONS & extensions.keys():
            if not is_rfc3339(canonical_text(extensions[name])):
                raise Rejection(Reason.MALFORMED, f"attribute {name} is not an RFC 3339 timestamp")
    if "" in extensions.values():
        return {name: value for name, value in extensions.items() if value != ""}
    return extensions
