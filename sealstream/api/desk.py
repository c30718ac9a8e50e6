"""What the API reads records through, and that over `agents.reading.Reader`: one for each person, at their tier."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

from agents.reading import RecordView
from sealstream.api.readers import Readers
from security.access.principal import Principal

FieldState = Literal["open", "masked", "sealed", "erased", "shredded"]


@dataclass(frozen=True, slots=True)
class Cursor:
    """After which record a list goes on."""

    created_at: dt.datetime
    record_id: UUID


@dataclass(frozen=True, slots=True)
class SeenField:
    """A field as somebody may see it.

    Attributes:
        value: Of one that is open or masked.
    """

    state: FieldState
    value: str | None
    tier: int


@dataclass(frozen=True, slots=True)
class SeenRecord:
    """A record as somebody may see it."""

    record: UUID
    message: UUID
    tenant: str
    domain: str
    type: str
    source: str | None
    outcome: str
    note: str | None
    linked: UUID | None
    received: dt.datetime
    fields: Mapping[str, SeenField]


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list.

    Attributes:
        next: Where it goes on; None at its end.
    """

    records: Sequence[SeenRecord]
    next: Cursor | None


class Desk(Protocol):
    """Shows records as policies decide; each answer is a look in the log before it is given."""

    async def list(self, who: Principal, purpose: str, *, tenant: str | None, after: Cursor | None, limit: int) -> Page:
        """Records, the newest first."""
        ...

    async def show(self, who: Principal, purpose: str, name: UUID) -> Sequence[SeenRecord]:
        """The record of that id, or the records of the message of that id."""
        ...

    async def search(self, who: Principal, purpose: str, field: str, value: str, *, limit: int) -> Sequence[SeenRecord]:
        """Records whose searchable field has exactly that value.

        Raises:
            ConfigurationError: The field is not searchable.
        """
        ...


class ReaderDesk:
    """A desk without policies: who asks sees their tenant's records up to their standing tier; auditors every tenant's.

    The purpose decides nothing here, and the look's leaf does not have it.
    """

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def list(self, who: Principal, purpose: str, *, tenant: str | None, after: Cursor | None, limit: int) -> Page:
        """As `Desk`."""
        reader = await self._readers.of(who)
        reach = self._readers.reach(who)
        wanted = tenant if reach is None else reach
        if tenant is not None and tenant != wanted:
            return Page([], None)
        place = None if after is None else (after.created_at, after.record_id)
        views = await reader.list(tenant=wanted, limit=limit, after=place)
        last = views[-1].stored if len(views) == limit else None
        return Page([*map(_seen, views)], None if last is None else Cursor(last.created_at, last.record_id))

    async def show(self, who: Principal, purpose: str, name: UUID) -> Sequence[SeenRecord]:
        """As `Desk`."""
        return [*map(_seen, await (await self._readers.of(who)).show(name))]

    async def search(self, who: Principal, purpose: str, field: str, value: str, *, limit: int) -> Sequence[SeenRecord]:
        """As `Desk`."""
        return [*map(_seen, await (await self._readers.of(who)).search(field, value, limit=limit))]


def _seen(view: RecordView) -> SeenRecord:
    row = view.stored
    fields = {
        name: SeenField(_state(each.state), None if each.value is None else each.value.decode(), each.tier)
        for name, each in sorted(view.fields.items())
    }
    return SeenRecord(
        row.record_id,
        row.message_id,
        row.tenant,
        row.domain,
        row.type,
        None,
        row.outcome,
        row.note,
        row.linked,
        row.created_at,
        fields,
    )


def _state(state: str) -> FieldState:
    match state:
        case "open" | "masked" | "erased" | "shredded":
            return state
        case _:
            return "sealed"
