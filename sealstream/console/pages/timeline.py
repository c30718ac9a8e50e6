"""The audit timeline: who saw a record, what a person saw, what a log says. Asking is a look in the log too."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query, Response

from agents.log.entries import Question
from sealstream.api.problems import Problem, not_found
from sealstream.api.shapes import NAME_FORM, TENANT_FORM, Purpose
from sealstream.audit.log_reading import Asked
from sealstream.console.auditing import Lines, leaves_of, looks_at, looks_by, tenants_with_logs
from sealstream.console.chinese import timeline as chinese
from sealstream.console.rendering import Entry, Page
from sealstream.console.routes import pages_router
from sealstream.console.visits import Visit, visiting
from security.access.principal import Action, Role

router = pages_router()
PAGE: Final = Page(router, chinese.TEXTS, [Entry("/timeline", "Audit timeline", frozenset({Role.AUDITOR}))])
KINDS: Final = (
    "accepted", "result", "rejected", "duplicate", "closing", "replay", "review", "erase", "read", "search", "export",
    "deny", "request", "approve", "refuse", "revoke", "policy", "catalogue",
)  # fmt: skip
"""Those that a form offers; the API takes any."""

Auditing = Annotated[Visit, visiting(Action.READ, Role.AUDITOR)]
_Tenant = Annotated[str, Query(pattern=TENANT_FORM)]
_Person = Annotated[str, Query(pattern=NAME_FORM)]
# A form sends fields that were left empty.
_GivenName = Annotated[str, Query(pattern=f"^$|{NAME_FORM}")]
_GivenId = Annotated[str, Query(max_length=36)]
_GivenKind = Annotated[str, Query(pattern="^[a-z_]{0,32}$")]
_GivenTime = Annotated[str, Query(max_length=32)]
_Shard = Annotated[int, Query(ge=0, le=2**31 - 1)]
_Start = Annotated[int, Query(ge=0, le=1 << 62)]


@router.get("/timeline")
async def forms(visit: Auditing) -> Response:
    """What may be asked."""
    return await _page(visit, {}, None)


@router.get("/timeline/record")
async def of_record(visit: Auditing, record: UUID, purpose: Purpose, shard: _Shard = 0, start: _Start = 0) -> Response:
    """Who saw a record."""
    found = await looks_at(visit.parts, visit.who, purpose, record, (shard, start))
    return await _page(visit, {"record": str(record), "purpose": purpose}, found, "record")


@router.get("/timeline/person")
async def of_person(
    visit: Auditing,
    person: _Person,
    tenant: _Tenant,
    purpose: Purpose,
    since: _GivenTime = "",
    until: _GivenTime = "",
    shard: _Shard = 0,
    start: _Start = 0,
) -> Response:
    """What a person saw in one log."""
    asked = Asked(tenant, person, Question(since=_moment(since), until=_moment(until)))
    found = await looks_by(visit.parts, visit.who, purpose, asked, (shard, start))
    given = {"person": person, "tenant": tenant, "since": since, "until": until, "purpose": purpose}
    return await _page(visit, given, found, "person")


@router.get("/timeline/entries")
async def of_log(
    visit: Auditing,
    tenant: _Tenant,
    purpose: Purpose,
    record: _GivenId = "",
    person: _GivenName = "",
    kind: _GivenKind = "",
    model: _GivenName = "",
    since: _GivenTime = "",
    until: _GivenTime = "",
    shard: _Shard = 0,
    start: _Start = 0,
) -> Response:
    """What a log says, by record, actor, kind, model and time."""
    question = Question(
        name=_id(record),
        kinds=(kind,) if kind else (),
        model=model or None,
        since=_moment(since),
        until=_moment(until),
    )
    found = await leaves_of(visit.parts, visit.who, purpose, Asked(tenant, person or None, question), (shard, start))
    given = {
        "tenant": tenant, "record": record, "person": person, "kind": kind, "model": model, "since": since,
        "until": until, "purpose": purpose,
    }  # fmt: skip
    return await _page(visit, given, found, "entries")


def _id(text: str) -> str | None:
    if not text:
        return None
    try:
        return str(UUID(text))
    except ValueError:
        raise Problem(422, "invalid_request", "a field has not its form") from None


def _moment(text: str) -> str | None:
    """A time of a form, which is UTC, as leaves have it."""
    if not text:
        return None
    try:
        found = dt.datetime.fromisoformat(text)
        found = found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise Problem(422, "invalid_request", "a field has not its form") from None
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def _page(visit: Visit, given: Mapping[str, str], found: Lines | None, asked: str = "") -> Response:
    if asked and found is None:
        raise not_found()
    onward = None
    if found is not None and found.after is not None:
        shard, start = found.after
        onward = f"{asked}?{urlencode({**given, 'shard': shard, 'start': start})}"
    values: dict[str, Any] = {"found": found, "asked": asked, "next": onward, "purpose": given.get("purpose", "")}
    if visit.is_fragment:
        return visit.page("timeline_list.html", **values)
    empty = dict.fromkeys(("record", "person", "tenant", "kind", "model", "since", "until", "purpose"), "")
    tenants = await tenants_with_logs(visit.parts)
    return visit.page("timeline.html", given=empty | dict(given), tenants=tenants, kinds=KINDS, **values)
