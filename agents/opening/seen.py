"""Records and dead letters as somebody sees them by their right, and their pages. Made by agents.reading.desk."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec

from security.access.decision import ShownField
from streams.storage.reading import Cursor


@dataclass(frozen=True, slots=True)
class SeenReview:
    """A person's decision about a record; the last one counts."""

    number: int
    time: dt.datetime
    fields: Mapping[str, ShownField]


class SeenRecord(msgspec.Struct, frozen=True, gc=False):
    """A record of which something is open.

    Attributes:
        kind: Its type, or of a registered record its schema.
        received: When it was stored.
    """

    record: UUID
    message: UUID
    tenant: str
    domain: str
    type: str
    kind: str
    source: str
    outcome: str
    note: str | None
    linked: UUID | None
    received: dt.datetime
    fields: Mapping[str, ShownField]
    reviews: Sequence[SeenReview] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Records, the newest first.

    Attributes:
        next: Where the next page begins; None after the last one. A page may be short, or empty, and not be the last.
    """

    records: Sequence[SeenRecord]
    next: Cursor | None
