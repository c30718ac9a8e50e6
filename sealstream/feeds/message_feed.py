"""Bank messages, one file each: ISO 20022 XML and MT940/942. They are published byte for byte, whatever is in them."""

import re
from collections.abc import Iterator
from pathlib import Path

from schemas.errors import ConfigurationError
from schemas.events import canonical_timestamp
from schemas.events.attributes import MAX_MESSAGE_BYTES
from sealstream.feeds.feed import Ignored
from sealstream.feeds.files import modified_at, readable
from sealstream.feeds.item import STATEMENT_TYPE, STATEMENTS_TOPIC, FeedItem

MEDIA_TYPES = {".xml": "application/xml", ".sta": "text/plain"}

# The group header stands at the start of every message; further in, the same name is a statement's own.
_CREATED = re.compile(rb"<(?:[A-Za-z0-9_.-]{1,40}:)?CreDtTm>\s{0,40}([0-9T:.Zz+-]{19,40})\s{0,40}</")
_HEADER_BYTES = 16 * 1024


class MessageFeed:
    """One file that is one message.

    Args:
        path: The file, `.xml` or `.sta`.
        event_id: Id of its event; the file's name when not given.
        topic: Where to publish; `statements` when not given.

    Raises:
        ConfigurationError: The file can't be read or is longer than the platform takes.
    """

    expectation = None
    ignored: tuple[Ignored, ...] = ()

    def __init__(self, path: Path, *, event_id: str | None = None, topic: str | None = None) -> None:
        self.name = path.name
        self._path = path
        self._event_id = path.name if event_id is None else event_id
        self._topic = topic or STATEMENTS_TOPIC
        self._modified_at = modified_at(path)
        with readable(path):
            size = path.stat().st_size
        if size > MAX_MESSAGE_BYTES:
            raise ConfigurationError(f"{path}: longer than {MAX_MESSAGE_BYTES} bytes, which is the platform's limit")

    def items(self) -> Iterator[FeedItem]:
        """The one message."""
        with readable(self._path):
            data = self._path.read_bytes()
        yield FeedItem(
            topic=self._topic,
            type=STATEMENT_TYPE,
            id=self._event_id,
            data=data,
            datacontenttype=MEDIA_TYPES[self._path.suffix.lower()],
            time=_created_at(data) or self._modified_at,
        )


def _created_at(data: bytes) -> str | None:
    """When the message says that it was made. Banks often leave the zone out: that counts as UTC."""
    match = _CREATED.search(data, 0, _HEADER_BYTES)
    try:
        return None if match is None else canonical_timestamp(match[1].decode())
    except ValueError:
        return None
