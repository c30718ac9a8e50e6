"""Routes of reviews: records that a model left to a person, and deciding them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from agents.reviewing import REVIEW_TIER, Reviewer
from schemas.errors import ConfigurationError
from sealstream.api.authentication import PartsOf, permitted
from sealstream.api.idempotency import IdempotencyKey
from sealstream.api.parts import Parts
from sealstream.api.problems import Problem, forbidden
from sealstream.api.records import Reading
from sealstream.api.shapes import Body, Limit
from sealstream.review_labels import KnownLabels
from security.access.principal import Action, Principal, Role
from streams.storage.models import list_models
from streams.storage.reviews import open_reviews

router = APIRouter(prefix="/v1", tags=["reviews"])

Deciding = Annotated[Principal, permitted(Action.APPROVE, Role.READER)]


class OpenReview(BaseModel):
    """A record that nobody has decided yet. Its fields are read with the record."""

    record: UUID
    message: UUID
    tenant: str
    domain: str
    type: str


class OpenReviews(BaseModel):
    """Open reviews, the oldest first."""

    data: list[OpenReview]


class DecisionBody(Body):
    """A decision."""

    label: str = Field(min_length=1, max_length=200, description="One of the model's labels")
    reason: str = Field(min_length=1, max_length=2_000, pattern=r"\S", description="Sealed beside the label")


class Decided(BaseModel):
    """A decision that is committed."""

    record: UUID
    review: UUID
    number: int
    supersedes: UUID | None


@router.get("/reviews", operation_id="listReviews")
async def list_reviews(who: Reading, parts: PartsOf, limit: Limit = 20) -> OpenReviews:
    """What nobody has decided yet; no field of any record."""
    async with parts.database.session() as connection:
        rows = await open_reviews(connection, tenant=parts.readers.reach(who), limit=limit)
    return OpenReviews(
        data=[
            OpenReview(
                record=row.record_id, message=row.message_id, tenant=row.tenant, domain=row.domain, type=row.type
            )
            for row in rows
        ]
    )


@router.post("/reviews/{record}/decisions", operation_id="decideReview", response_model=Decided)
async def decide(
    request: Request, who: Deciding, parts: PartsOf, record: UUID, body: DecisionBody, key: IdempotencyKey = None
) -> Response:
    """Decide a record, or decide it again: the last decision counts. Reading it is a look, deciding it a leaf."""
    if who.tier < REVIEW_TIER:
        raise forbidden(f"deciding takes a standing tier of {REVIEW_TIER}")

    async def work() -> Decided:
        return await _decide(parts, who, record, body)

    return await parts.writes.once(request, who, key, work)


async def _decide(parts: Parts, who: Principal, record: UUID, body: DecisionBody) -> Decided:
    reader = await parts.readers.of(who)
    knowledge = await parts.readers.knowledge(who.tier, parts.readers.reach(who))
    async with parts.database.session(clean=True) as connection:
        labels = KnownLabels(await list_models(connection))
    reviewer = Reviewer(
        parts.database, parts.identity, knowledge, reader, tier=who.tier, labels=labels, actor=who.person
    )
    try:
        done = await reviewer.decide(record, body.label, body.reason)
    except ConfigurationError:
        raise Problem(422, "unknown_label", "the model has no such label, or is not known here") from None
    return Decided(record=done.record_id, review=done.name, number=done.number, supersedes=done.supersedes)
