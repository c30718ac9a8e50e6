"""Routes of the work: which stages a record went through, and how much is done a minute."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel

from agents.access.reach import tenant_reach, work_reach
from schemas.leaf import decode_leaf
from sealstream.api.authentication import PartsOf, permitted
from sealstream.api.problems import not_found
from security.access.principal import Action, Principal, Role
from streams.storage.tasks import StoredStage, outcomes_by_minute, stages_of

router = APIRouter(prefix="/v1", tags=["work"])

Looking = Annotated[Principal, permitted(Action.READ, *Role)]
Watching = Annotated[Principal, permitted(Action.READ, Role.OPERATOR, Role.ADMINISTRATOR, Role.AUDITOR)]


class Stage(BaseModel):
    """A stage of a record.

    Attributes:
        stage: `received`, `deferred`, `result`, `rejected`, `replayed` or `reviewed`.
        time: When it was durable.
        index: Of its leaf in the log; none while it waits for its place.
        model: Which model answered.
        decision: Of the scheduler, as the leaf has it: the plan of a record that is deferred; device, batch and times
            of one that is done, several where several models answered.
        lane: Of a deferred record.
    """

    stage: str
    time: dt.datetime
    log: str
    index: int | None
    outcome: str | None
    reason: str | None
    model: str | None
    decision: dict[str, Any] | list[dict[str, Any]] | None
    lane: str | None

    @property
    def decisions(self) -> list[dict[str, Any]]:
        """Of the scheduler, one by one."""
        found = self.decision or []
        return found if isinstance(found, list) else [found]


class Task(BaseModel):
    """The stages of a record, in order."""

    name: UUID
    tenant: str
    stages: list[Stage]


class Minute(BaseModel):
    """What became of records in a minute."""

    minute: dt.datetime
    outcome: str
    records: int


class Throughput(BaseModel):
    """Counts by minute and outcome; a minute in which nothing happened is not there."""

    data: list[Minute]


@router.get("/tasks/{name}", operation_id="showTask")
async def task(who: Looking, parts: PartsOf, name: UUID) -> Task:
    """The stages of a record, message or dead letter: times, model, device and decision, no field."""
    async with parts.people.session(reach=work_reach(who)) as connection:
        stages = await stages_of(connection, name, tenant_reach(who))
    if not stages:
        raise not_found()
    return Task(name=name, tenant=stages[0].tenant, stages=[*map(stage_view, stages)])


@router.get("/throughput", operation_id="showThroughput")
async def throughput(who: Watching, parts: PartsOf, minutes: Annotated[int, Query(ge=1, le=1440)] = 60) -> Throughput:
    """How many records had which outcome, minute by minute."""
    since = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes)
    async with parts.people.session(reach=work_reach(who)) as connection:
        found = await outcomes_by_minute(connection, since, tenant_reach(who))
    return Throughput(data=[Minute(minute=minute, outcome=outcome, records=count) for minute, outcome, count in found])


def stage_view(stored: StoredStage) -> Stage:
    """A stage, with what its leaf says."""
    leaf = decode_leaf(stored.body) if stored.body is not None else None
    decision = leaf.decision if leaf is not None else None
    return Stage(
        stage=stored.stage,
        time=stored.time,
        log=stored.origin,
        index=stored.index,
        outcome=leaf.outcome if leaf is not None else None,
        reason=leaf.reason if leaf is not None else None,
        model=leaf.model if leaf is not None else None,
        decision=msgspec.json.decode(decision) if decision is not None else None,
        lane=stored.lane,
    )
