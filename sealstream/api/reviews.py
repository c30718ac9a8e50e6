"""Routes of reviews: records that a model left to a person, and deciding them."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from agents.reviews.reviewing import Reviewer, labels_for
from schemas.errors import ConfigurationError
from sealstream.api.authentication import PartsOf, permitted
from sealstream.api.idempotency import IdempotencyKey
from sealstream.api.parts import Parts
from sealstream.api.problems import Problem
from sealstream.api.records import Reading
from sealstream.api.shapes import (
    Body,
    CursorText,
    OneTenant,
    PageLimit,
    Purpose,
    PurposeText,
    Records,
    records_response,
)
from sealstream.review_labels import KnownLabels
from security.access.principal import Action, Principal, Role
from security.key_provider import MAX_TIER
from streams.storage.models import list_models
from streams.storage.reviews import find_result

router = APIRouter(prefix="/v1", tags=["reviews"])

Deciding = Annotated[Principal, permitted(Action.APPROVE, Role.READER)]


class DecisionBody(Body):
    """A decision."""

    label: str = Field(min_length=1, max_length=200, description="One of the model's labels")
    purpose: PurposeText
    reason: str = Field(min_length=1, max_length=2_000, pattern=r"\S", description="Sealed beside the label")


class Decided(BaseModel):
    """A decision that is committed."""

    record: UUID
    review: UUID
    number: int
    supersedes: UUID | None


@router.get("/reviews", operation_id="listReviews", response_model=Records)
async def list_reviews(
    who: Reading,
    parts: PartsOf,
    purpose: Purpose,
    tenant: OneTenant = None,
    limit: PageLimit = 20,
    cursor: CursorText = None,
) -> Response:
    """Records that nobody has decided yet, the oldest first, as you may see them; each page is one look in the log."""
    bound = ("reviews", who.person, purpose, tenant or "")
    after = parts.cursors.read(cursor, *bound)
    page = await parts.desk.to_review(who, purpose, tenant=tenant, after=after, limit=limit)
    return records_response(page.records, parts.cursors.text(page.next, *bound))


@router.post("/reviews/{record}/decisions", operation_id="decideReview", response_model=Decided)
async def decide(
    request: Request, who: Deciding, parts: PartsOf, record: UUID, body: DecisionBody, key: IdempotencyKey = None
) -> Response:
    """Decide a record, or decide it again: the last decision counts. Reading it is a look, deciding it a leaf."""

    async def work() -> Decided:
        return await decided(parts, who, record, body)

    return await parts.writes.once(request, who, key, work)


async def decided(parts: Parts, who: Principal, record: UUID, body: DecisionBody) -> Decided:
    """Decide a record as somebody.

    Raises:
        NotReviewable: It is not theirs to decide.
        Problem: The label is not the model's.
    """
    consider = await parts.desk.consider(who, body.purpose)
    knowledge = await parts.known.up_to(MAX_TIER)
    async with parts.database.session(clean=True) as connection:
        labels = KnownLabels(await list_models(connection))
    reviewer = Reviewer(
        parts.database,
        parts.identity,
        knowledge,
        consider,
        labels=labels,
        actor=who.person,
        keys=await parts.desk.release(),
    )
    try:
        done = await reviewer.decide(record, body.label, body.reason)
    except ConfigurationError:
        raise Problem(422, "unknown_label", "the model has no such label, or is not known here") from None
    return Decided(record=done.record_id, review=done.name, number=done.number, supersedes=done.supersedes)


async def labels_of(parts: Parts, record: UUID) -> Sequence[str]:
    """The labels to choose from for a record that somebody was shown; none where its model is not known here."""
    async with parts.database.session(clean=True) as connection:
        known = KnownLabels(await list_models(connection))
        stored = await find_result(connection, record)
        found = await labels_for(connection, stored, known) if stored is not None else None
    return found or ()
