"""Records: lists, search, single ones with each field's state. Every page with records is a look in the log."""

from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query, Response
from pydantic import ValidationError

from agents.opening.seen import SeenRecord
from sealstream.api.cursors import MAX_CURSOR
from sealstream.api.problems import not_found
from sealstream.api.shapes import PageLimit, Purpose, SearchBody
from sealstream.console.chinese import records as chinese
from sealstream.console.rendering import Entry, Page
from sealstream.console.routes import pages_router
from sealstream.console.visits import Visit, visiting
from security.access.decision import FieldState
from security.access.principal import Action, Role

router = pages_router()
_ROLES = (Role.READER, Role.AUDITOR)
PAGE: Final = Page(router, chinese.TEXTS, [Entry("/records", "Records", frozenset(_ROLES))])

Reading = Annotated[Visit, visiting(Action.READ, *_ROLES)]
Searching = Annotated[Visit, visiting(Action.SEARCH, *_ROLES)]

# As the API has them, but a form sends fields that were left empty.
_Purpose = Annotated[str, Query(pattern="^([a-z][a-z0-9_-]{0,63})?$")]
_Tenant = Annotated[str, Query(pattern="^([a-z0-9][a-z0-9-]{0,62})?$")]
_Cursor = Annotated[str | None, Query(max_length=MAX_CURSOR)]
_FIELD_LIMIT: Final = 50


@router.get("/records")
async def list_records(
    visit: Reading, purpose: _Purpose = "", tenant: _Tenant = "", limit: PageLimit = 20, cursor: _Cursor = None
) -> Response:
    """The newest records, once that a purpose is stated; before, the forms alone."""
    if not purpose:
        return _page(visit, None)
    parts, bound = visit.parts, ("records", visit.who.person, purpose, tenant)
    after = parts.cursors.read(cursor, *bound)
    page = await parts.desk.list(visit.who, purpose, tenant=tenant or None, after=after, limit=limit)
    onward = None
    if page.next is not None:
        query = {"purpose": purpose, "tenant": tenant, "limit": limit, "cursor": parts.cursors.text(page.next, *bound)}
        onward = urlencode(query)
    if visit.is_fragment:
        return visit.page("records_list.html", records=page.records, purpose=purpose, next=onward)
    return _page(visit, page.records, purpose=purpose, tenant=tenant, limit=limit, next=onward)


@router.post("/records/search")
async def search_records(visit: Searching) -> Response:
    """Records whose field has exactly that value. It is posted: addresses end up in logs."""
    form = visit.form
    try:
        asked = SearchBody(
            field=form.one("field"), value=form.one("value"), purpose=form.one("purpose"), limit=_FIELD_LIMIT
        )
    except ValidationError:
        return _page(visit, None, status=422, error="a field has not its form")
    found = await visit.parts.desk.search(visit.who, asked.purpose, asked.field, asked.value, limit=asked.limit)
    return _page(visit, found, purpose=asked.purpose, field=asked.field)


@router.post("/records/open")
async def open_record(visit: Reading) -> Response:
    """Go to a record by its id."""
    try:
        name = UUID(visit.form.one("record"))
    except ValueError:
        return _page(visit, None, status=422, error="that is no id")
    return visit.redirect(f"/records/{name}", purpose=visit.form.one("purpose"))


@router.get("/records/{record}")
async def show_record(visit: Reading, record: UUID, purpose: Purpose) -> Response:
    """The record of that id, or the records of the message of that id."""
    found = await visit.parts.desk.show(visit.who, purpose, record)
    if not found:
        raise not_found()
    return visit.page("record.html", records=found, purpose=purpose, closed_fields=_closed_fields)


def _closed_fields(record: SeenRecord) -> list[str]:
    """What an approval might open."""
    return [name for name, each in record.fields.items() if each.state in (FieldState.MASKED, FieldState.SEALED)]


def _page(visit: Visit, records: Sequence[SeenRecord] | None, *, status: int = 200, **values: Any) -> Response:
    given = {"purpose": "", "tenant": "", "limit": 20, "field": "", "error": None, "next": None} | values
    return visit.page("records.html", status=status, records=records, **given)
