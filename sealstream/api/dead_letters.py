"""Routes of dead letters: what was refused and why, and taking it in again. For operators."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import anyio
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from agents.access.reach import tenant_reach, work_reach
from agents.inference.transaction_kind import load_default_engine
from agents.opening.reading import DeadLetterView
from agents.platform.knowledge import load_knowledge
from agents.replay import Replayed, Replayer
from schemas.reasons import Reason
from sealstream.api.authentication import PartsOf, permitted
from sealstream.api.idempotency import IdempotencyKey
from sealstream.api.parts import Parts
from sealstream.api.problems import not_found
from sealstream.api.shapes import Body, Limit, Purpose
from sealstream.release.messages import ReplayedLetter
from security.access.principal import Action, Principal, Role
from streams.storage.reading import StoredDeadLetter, list_dead_letters

router = APIRouter(prefix="/v1", tags=["dead letters"])

Operating = Annotated[Principal, permitted(Action.READ, Role.OPERATOR)]
Replaying = Annotated[Principal, permitted(Action.REPLAY, Role.OPERATOR)]


class DeadLetter(BaseModel):
    """A message or a record that was refused.

    Attributes:
        place: Where it came in.
        replayed: What its last replay came to.
    """

    dead_letter: UUID
    message: UUID
    tenant: str
    reason: str
    detail: str
    place: str
    time: dt.datetime
    replayed: str | None


class DeadLetters(BaseModel):
    """Dead letters, the newest first."""

    data: list[DeadLetter]


class DeadLetterContent(DeadLetter):
    """One, with the message as received where your tier opens it: that is tier 4.

    Attributes:
        headers: Name and text of each, in order; a header that stands twice may be why it was refused.
    """

    state: str
    key: str | None = None
    headers: list[tuple[str, str]] | None = None
    value: str | None = None


class ReplayBody(Body):
    """Which dead letters are taken in again."""

    dead_letters: list[UUID] = Field(min_length=1, max_length=200)


class ReplayOutcome(BaseModel):
    """What became of one.

    Attributes:
        taken_in: Whether it is no dead letter any more.
        reason: Why it was refused again.
        problem: Whether nothing was written, because it can't be replayed.
    """

    dead_letter: UUID
    taken_in: bool
    outcome: str | None
    reason: str | None
    record: UUID | None
    message: UUID | None
    problem: bool


class ReplayOutcomes(BaseModel):
    """Of each, in the order given."""

    data: list[ReplayOutcome]


@router.get("/dead-letters", operation_id="listDeadLetters")
async def list_letters(
    who: Operating, parts: PartsOf, reason: Annotated[Reason | None, Query()] = None, limit: Limit = 20
) -> DeadLetters:
    """Dead letters without their content."""
    async with parts.people.session(reach=work_reach(who)) as connection:
        found = await list_dead_letters(connection, reason=reason, limit=limit, tenant=tenant_reach(who))
    return DeadLetters(data=[DeadLetter(**_members(each)) for each in found])


@router.get("/dead-letters/{dead_letter}", operation_id="showDeadLetter")
async def show_letter(who: Operating, parts: PartsOf, dead_letter: UUID, purpose: Purpose) -> DeadLetterContent:
    """One dead letter, with the message as received where policies open it to you; asking is a look in the log."""
    (stored,) = await see_theirs(parts, who, [dead_letter])
    discloser = await parts.desk.discloser(who, purpose)
    view = await discloser.show_dead_letter(dead_letter) or DeadLetterView(stored, "sealed")
    headers = None if view.headers is None else [*view.headers]
    return DeadLetterContent(**_members(view.stored), state=view.state, key=view.key, headers=headers, value=view.value)


@router.post("/dead-letters/replay", operation_id="replayDeadLetters", response_model=ReplayOutcomes)
async def replay(
    request: Request, who: Replaying, parts: PartsOf, body: ReplayBody, key: IdempotencyKey = None
) -> Response:
    """Take dead letters in again, under today's keys, catalogue, model and code; each is a leaf."""

    async def work() -> ReplayOutcomes:
        return ReplayOutcomes(data=await replayed(parts, who, body.dead_letters))

    return await parts.writes.once(request, who, key, work)


async def see_theirs(parts: Parts, who: Principal, names: Sequence[UUID]) -> list[StoredDeadLetter]:
    """Dead letters of these ids.

    Raises:
        Problem: One is not there, or not within their reach.
    """
    letters = []
    async with parts.people.session(reach=work_reach(who)) as connection:
        for name in names:
            found = await list_dead_letters(connection, reason=None, limit=1, name=name, tenant=tenant_reach(who))
            if not found:
                raise not_found()
            letters += found
    return letters


async def replayed(parts: Parts, who: Principal, names: Sequence[UUID]) -> list[ReplayOutcome]:
    """Take dead letters in again, where the keys are.

    Raises:
        Problem: One is not there, or not within their reach.
    """
    letters = await see_theirs(parts, who, names)
    if parts.release is not None:
        return [_told(each) for each in await parts.release.replay(who.proof, letters)]
    replayer = await _open_replayer(parts, who)
    return [_outcome(each) async for each in replayer.replay(names)]


async def _open_replayer(parts: Parts, who: Principal) -> Replayer:
    """Whatever is taken in is sealed, at all tiers: these keys are loaded for this, and dropped after it."""
    knowledge = await load_knowledge(parts.database, parts.identity)
    engine = await anyio.to_thread.run_sync(load_default_engine)
    return Replayer(
        parts.database,
        parts.identity,
        knowledge,
        parts.identity.new_worker(),
        engine,
        store=parts.store,
        actor=who.person,
    )


def _members(letter: StoredDeadLetter) -> dict[str, Any]:
    return {
        "dead_letter": letter.dead_letter_id,
        "message": letter.message_id,
        "tenant": letter.tenant,
        "reason": letter.reason,
        "detail": letter.detail,
        "place": f"{letter.topic}/{letter.part}@{letter.kafka_offset}",
        "time": letter.created_at,
        "replayed": letter.replayed,
    }


def _told(each: ReplayedLetter) -> ReplayOutcome:
    return ReplayOutcome(
        dead_letter=each.dead_letter,
        taken_in=each.outcome is not None and each.reason is None,
        outcome=each.outcome,
        reason=each.reason,
        record=each.record,
        message=each.message,
        problem=each.problem,
    )


def _outcome(each: Replayed) -> ReplayOutcome:
    return ReplayOutcome(
        dead_letter=each.dead_letter,
        taken_in=each.ok,
        outcome=each.outcome,
        reason=each.reason,
        record=each.record,
        message=each.message,
        problem=each.problem is not None,
    )
