"""JSON Lines: one transaction object for each line, published as it stands. Whether it is valid is the platform's."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from schemas.errors import ConfigurationError
from schemas.events.attributes import MAX_MESSAGE_BYTES
from sealstream.feeds.feed import Ignored
from sealstream.feeds.files import modified_at, readable
from sealstream.feeds.item import TRANSACTION_TYPE, TRANSACTIONS_TOPIC, FeedItem

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MAX_ID_CHARACTERS = 200
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SCALAR = msgspec.json.Decoder(str | int)


class _Dates(msgspec.Struct):
    booking_date: dt.date | None = None
    value_date: dt.date | None = None


_DATES = msgspec.json.Decoder(_Dates)


class JsonlFeed:
    """The lines of one file.

    The member `id` names the event and is taken out of the payload; without one the line's number does. A line that
    is not a JSON object is published all the same.

    Args:
        path: The file.
        id_prefix: What ids made of line numbers begin with; the file's stem when not given.
        topic: Where to publish; `transactions` when not given.

    Raises:
        ConfigurationError: The file can't be read.
    """

    expectation = None
    ignored: tuple[Ignored, ...] = ()

    def __init__(self, path: Path, *, id_prefix: str | None = None, topic: str | None = None) -> None:
        self.name = path.name
        self._path = path
        self._id_prefix = path.stem if id_prefix is None else id_prefix
        self._topic = topic or TRANSACTIONS_TOPIC
        self._modified_at = modified_at(path)

    def items(self) -> Iterator[FeedItem]:
        """One message for each line that is not blank."""
        for number, line in enumerate(self._lines(), start=1):
            if not line.strip():
                continue
            event_id, data = _split_id(line)
            yield FeedItem(
                topic=self._topic,
                type=TRANSACTION_TYPE,
                id=f"{self._id_prefix}#{number}" if event_id is None else event_id,
                data=data,
                datacontenttype="application/json",
                time=_time(line) or self._modified_at,
            )

    def _lines(self) -> Iterator[bytes]:
        with readable(self._path), self._path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_MESSAGE_BYTES + 1):
                number += 1
                if len(line) > MAX_MESSAGE_BYTES:
                    raise ConfigurationError(f"{self._path}: line {number} is longer than {MAX_MESSAGE_BYTES} bytes")
                yield (line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line).rstrip(b"\r\n")


def _split_id(line: bytes) -> tuple[str | None, bytes]:
    """The event's id and the payload without it; no id when there is none that could name an event."""
    try:
        members = _MEMBERS.decode(line)
        raw = members.pop("id", None)
        value = None if raw is None else _SCALAR.decode(raw)
        if value is None or _names_a_member_twice(line):
            return None, line
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None, line
    event_id = str(value)
    if not 0 < len(event_id) <= _MAX_ID_CHARACTERS or not event_id.isprintable():
        return None, line
    # The other members keep their exact text: 5.10 must not become 5.1.
    return event_id, msgspec.json.encode(members)


def _names_a_member_twice(line: bytes) -> bool:
    """Whether the object is ambiguous; taking the id out would hide that from the platform."""
    pairs = json.loads(line, object_pairs_hook=list)
    return len(dict(pairs)) != len(pairs)


def _time(line: bytes) -> str | None:
    try:
        dates = _DATES.decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    date = dates.booking_date or dates.value_date
    return None if date is None else f"{date.isoformat()}T00:00:00Z"
