"""Records and dead letters as somebody sees them by their right, and their pages. Making them is agents.desk."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from security.access.decision import Decision, FieldState, ShownField, project
from security.access.masking import mask_kind
from security.sealing import OpenedField
from streams.storage.reading import Cursor


@dataclass(frozen=True, slots=True)
class SeenField:
    """A field as it goes out.

    Attributes:
        value: The whole of it, or its mask; None otherwise.
    """

    state: FieldState
    value: str | None
    tier: int

    def __repr__(self) -> str:
        return f"<SeenField, tier {self.tier}, {self.state}>"


@dataclass(frozen=True, slots=True)
class SeenReview:
    """A person's decision about a record; the last one counts."""

    number: int
    time: dt.datetime
    fields: Mapping[str, SeenField]


@dataclass(frozen=True, slots=True)
class SeenRecord:
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
    fields: Mapping[str, SeenField]
    reviews: Sequence[SeenReview] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Records, the newest first.

    Attributes:
        next: Where the next page begins; None after the last one. A page may be short, or empty, and not be the last.
    """

    records: Sequence[SeenRecord]
    next: Cursor | None


def seen_fields(decision: Decision, opened: Mapping[str, OpenedField]) -> dict[str, SeenField]:
    """Fields as a decision lets them go out."""
    kinds = {name: mask_kind(name) for name in opened}
    return {name: _seen(shown, opened[name].tier) for name, shown in sorted(project(decision, opened, kinds).items())}


def _seen(shown: ShownField, tier: int) -> SeenField:
    return SeenField(shown.state, shown.value, tier)
