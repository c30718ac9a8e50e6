"""The review queue: records that models left to people, deciding them, and earlier decisions. Every page is a look."""

from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query, Response
from pydantic import ValidationError

from agents.commits.recording import LABEL_FIELD
from agents.reviews.review_leaf import REVIEW_OUTCOME
from sealstream.api.cursors import MAX_CURSOR
from sealstream.api.problems import Problem, not_found
from sealstream.api.reviews import DecisionBody, decided, labels_of
from sealstream.api.shapes import PageLimit, Purpose
from sealstream.console.chinese import reviews as chinese
from sealstream.console.rendering import Entry, Page
from sealstream.console.routes import pages_router
from sealstream.console.visits import Visit, visiting
from security.access.decision import FieldState
from security.access.principal import Action, Role

router = pages_router()
_ROLES = (Role.READER, Role.AUDITOR)
PAGE: Final = Page(router, chinese.TEXTS, [Entry("/reviews", "Review queue", frozenset(_ROLES))])

Reading = Annotated[Visit, visiting(Action.READ, *_ROLES)]
Deciding = Annotated[Visit, visiting(Action.APPROVE, Role.READER)]

_Purpose = Annotated[str, Query(pattern="^([a-z][a-z0-9_-]{0,63})?$")]
_Cursor = Annotated[str | None, Query(max_length=MAX_CURSOR)]


@router.get("/reviews")
async def queue(visit: Reading, purpose: _Purpose = "", limit: PageLimit = 20, cursor: _Cursor = None) -> Response:
    """What nobody has decided yet, the oldest first, once that a purpose is stated."""
    if not purpose:
        return visit.page("reviews.html", records=None, purpose="", next=None)
    parts, bound = visit.parts, ("reviews", visit.who.person, purpose, "")
    after = parts.cursors.read(cursor, *bound)
    page = await parts.desk.to_review(visit.who, purpose, tenant=None, after=after, limit=limit)
    onward = None
    if page.next is not None:
        onward = urlencode({"purpose": purpose, "limit": limit, "cursor": parts.cursors.text(page.next, *bound)})
    template = "reviews_list.html" if visit.is_fragment else "reviews.html"
    return visit.page(template, records=page.records, purpose=purpose, next=onward)


@router.get("/reviews/{record}")
async def show(visit: Reading, record: UUID, purpose: Purpose) -> Response:
    """One record with its model's labels, and what was decided before."""
    return await _page(visit, record, purpose)


@router.post("/reviews/{record}/decisions")
async def decide(visit: Deciding, record: UUID) -> Response:
    """Decide it, or decide it again; raises `NotReviewable` where it is not theirs to decide."""
    form = visit.form
    given = {name: form.one(name) for name in ("label", "reason", "purpose")}
    try:
        body = DecisionBody.model_validate(given)
    except ValidationError as exc:
        if any(each["loc"] == ("purpose",) for each in exc.errors()):
            raise Problem(422, "invalid_request", "a field has not its form") from None
        said = "a decision is one of the labels, and has a reason"
        return await _page(visit, record, given["purpose"], status=422, error=said, given=given)
    await decided(visit.parts, visit.who, record, body)
    return visit.redirect(f"/reviews/{record}", purpose=body.purpose)


async def _page(
    visit: Visit, record: UUID, purpose: str, *, status: int = 200, error: str | None = None, given: Any = None
) -> Response:
    found = next(
        (each for each in await visit.parts.desk.show(visit.who, purpose, record) if each.record == record), None
    )
    if found is None or found.outcome != REVIEW_OUTCOME:
        raise not_found()
    label = found.fields.get(LABEL_FIELD)
    sees_label = label is not None and label.state is FieldState.OPEN
    return visit.page(
        "review.html",
        status=status,
        error=error,
        record=found,
        purpose=purpose,
        given=given or {"label": "", "reason": ""},
        sees_label=sees_label,
        may=visit.may(Action.APPROVE, Role.READER),
        labels=await labels_of(visit.parts, record) if sees_label else (),
    )
