"""What policies do: why somebody sees a field as they do, and who gains or loses what by a proposed version."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any, Final

import anyio
from fastapi import Query, Response

from schemas.catalogue import Catalogue
from schemas.errors import ConfigurationError
from sealstream.api.problems import Problem
from sealstream.console.chinese import policies as chinese
from sealstream.console.pages.policies import stored_policy
from sealstream.console.rendering import Page
from sealstream.console.routes import pages_router
from sealstream.console.visits import Visit, visiting
from sealstream.people.access import USUAL_PURPOSES, catalogued_fields, population, record_owners
from security.access.decision import Question
from security.access.explanation import AccessChange, difference, explain
from security.access.policy_set import InvalidPolicies, PolicySet
from security.access.principal import Action, Method, Role
from security.access.request import Circumstances, RecordFacts

router = pages_router()
PAGE: Final = Page(router, chinese.TEXTS)

Looking = Annotated[Visit, visiting(Action.READ, Role.ADMINISTRATOR, Role.AUDITOR)]
_Short = Annotated[str, Query(max_length=512)]

COMPARED_AT_MOST: Final = 20_000
"""Questions: a person waits for the page. One takes milliseconds where a changed policy covers it."""
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Effect:
    """What somebody gains or loses of a kind of record, the same for all of these fields."""

    change: AccessChange
    fields: list[str] = field(default_factory=list)

    @property
    def level(self) -> int:
        """Of the approval that it takes."""
        return max((level for _, level in self.change.question.circumstances.approvals), default=0)


@router.get("/policies/explain")
async def why(
    visit: Looking,
    person: _Short = "",
    owner: _Short = "",
    kind: _Short = "",
    source: _Short = "",
    purpose: _Short = "",
    level: Annotated[int, Query(ge=0, le=3)] = 0,
) -> Response:
    """Which policies decide how a person sees a record's fields, under what is in force now."""
    given = {"person": person, "owner": owner, "kind": kind, "source": source, "purpose": purpose, "level": level}
    if not person:
        return _explanation(visit, given)
    access = await visit.parts.keeper.current()
    tenant, slash, domain = owner.partition("/")
    who = access.people.get(person)
    if who is None or not (slash and tenant and domain and kind):
        error = (
            "nobody of that name is registered"
            if who is None
            else "name the owner as organisation/department, and a kind"
        )
        return _explanation(visit, given, status=422, error=error)
    try:
        fields = catalogued_fields(Catalogue.from_rows(await visit.parts.known.catalogue()), tenant, kind)
        approvals = tuple((each.name, level) for each in fields) if level else ()
        where = Circumstances(purpose=purpose, time=dt.datetime.now(dt.UTC), approvals=approvals)
    except ConfigurationError as exc:
        return _explanation(visit, given, status=422, error=str(exc))
    facts = RecordFacts(tenant=tenant, domain=domain, source=source, kind=kind)
    policies = access.decider.policies
    found = explain(policies, Question(who.principal(Method.LOCAL), Action.READ, facts, fields, where))
    names = sorted({name for each in found for name in (*each.policies, *each.considered)})
    return _explanation(visit, given, found=found, texts={name: policies.policy(name) for name in names})


@router.get("/policies/{version:int}/changes")
async def changes(visit: Looking, version: int) -> Response:
    """Who gains or loses what by a version, beside what is in force; from here it is adopted."""
    parts, row = visit.parts, await stored_policy(visit, version)
    access, owners = await parts.keeper.current(), await record_owners(parts.database)
    catalogue = Catalogue.from_rows(await parts.known.catalogue())
    try:
        after = PolicySet.parse(row.text)
    except InvalidPolicies as exc:
        raise Problem(409, "not_taken", str(exc)) from None
    asked = population(access, catalogue, owners, USUAL_PURPOSES, dt.datetime.now(dt.UTC))
    questions = list(islice(asked, COMPARED_AT_MOST + 1))
    effects = None
    if len(questions) <= COMPARED_AT_MOST:
        effects = _grouped(await anyio.to_thread.run_sync(difference, access.decider.policies, after, questions))
    return visit.page(
        "policy_changes.html",
        row=row,
        effects=effects[:_SHOWN] if effects is not None else None,
        more=max(0, len(effects or ()) - _SHOWN),
        purposes=USUAL_PURPOSES,
        outdated=row.adopter is None and row.based_on != access.version,
        may_adopt=visit.may(Action.APPROVE, Role.ADMINISTRATOR),
    )


def _grouped(found: Sequence[AccessChange]) -> list[Effect]:
    """Fields that change alike, together: a record has dozens."""
    grouped: dict[tuple[object, ...], Effect] = {}
    for each in found:
        about = each.question
        level = max((level for _, level in about.circumstances.approvals), default=0)
        place = (
            about.principal.person,
            about.facts,
            about.circumstances.purpose,
            level,
            each.before,
            each.after,
            tuple(each.policies),
        )
        grouped.setdefault(place, Effect(each)).fields.append(each.field)
    return list(grouped.values())


def _explanation(visit: Visit, given: Mapping[str, Any], *, status: int = 200, **values: Any) -> Response:
    shown = {"error": None, "found": None, "texts": {}} | values
    return visit.page("policy_explain.html", status=status, given=given, **shown)
