"""A producer's list of what its closing counts: ids and digests, checked against the signed root before it is believed.

One JSON object a line, {"id": …, "core": b64, "ext": b64}, `ext` only where extensions are signed, in any order.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from schemas.closing import Closing
from schemas.errors import ConfigurationError, VerificationFailed
from schemas.events.attributes import MAX_IDENTIFIER_BYTES, decode_base64
from schemas.identity import message_record_id
from security.closing_root import closing_root

MAX_LINE_BYTES = 8 * MAX_IDENTIFIER_BYTES


class WrongList(VerificationFailed):
    """The list is not the one that the closing was made of."""


@dataclass(frozen=True, slots=True)
class ListedMessage:
    """A message that the producer says it sent."""

    record_id: bytes
    event_id: str
    digests: bytes


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    core: str
    ext: str | None = None


_LINE = msgspec.json.Decoder(_Line)


def read_list(lines: Iterable[bytes], source: str) -> list[ListedMessage]:
    """Read a list.

    Raises:
        ConfigurationError: A line is not of that form; the text names its number.
    """
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append(_listed(line, source))
            except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
                raise ConfigurationError(
                    f"line {number} of the list is not a JSON object with id, core and, if any, ext"
                ) from exc
    return sorted(found, key=lambda each: each.record_id)


def check_list(listed: Iterable[ListedMessage], closing: Closing) -> None:
    """See that a sorted list is what the closing was signed over.

    Raises:
        WrongList: It leads to another root.
    """
    try:
        root = closing_root((each.record_id, each.digests) for each in listed)
    except ValueError as exc:
        raise WrongList("the list names a message twice; ask its producer for the list of this closing") from exc
    if root != closing.root:
        raise WrongList(
            "the list leads to another root than the closing's; ask its producer for the list of this closing"
        )


def _listed(line: bytes, source: str) -> ListedMessage:
    if len(line) > MAX_LINE_BYTES:
        raise ValueError("a line without end")
    entry = _LINE.decode(line)
    parts = [decode_base64(part) for part in (entry.core, entry.ext) if part is not None]
    if any(len(part) != 32 for part in parts) or not entry.id:
        raise ValueError("a digest has 32 bytes, an id has some")
    return ListedMessage(message_record_id(source, entry.id), entry.id, b"".join(parts))
