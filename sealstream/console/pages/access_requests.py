"""Requests for access: one's own and those that wait for one, making them, and deciding; each act is signed."""

import datetime as dt
import re
from dataclasses import dataclass
from itertools import zip_longest
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from fastapi import Query, Response
from pydantic import ValidationError

from agents.access.keeper import Access, KeptRequest
from schemas.errors import ConfigurationError
from schemas.leaf import AccessChange
from sealstream.api.problems import Problem, not_found
from sealstream.api.requests import AskedBody, SignedBody, asked_request, concerns, see_provider, signed_act
from sealstream.api.shapes import PURPOSE_FORM
from sealstream.console.chinese import access_requests as chinese
from sealstream.console.rendering import Entry, Page
from sealstream.console.routes import pages_router
from sealstream.console.signing import Subject, sign_page, signed_body, signer, taken
from sealstream.console.visits import Visit, Visiting, visiting
from sealstream.people.access import now_said, timed_request
from security.access.access_request import CONTEXT, LONGEST, STEPS, AccessRequest
from security.access.approval import ApprovalRefused, possible_acts
from security.access.assertion import BadAssertion
from security.access.person import Person
from security.access.principal import Action, Role

router = pages_router()
PAGE: Final = Page(router, chinese.TEXTS, [Entry("/requests", "Requests for access", frozenset(Role))])

Asking = Annotated[Visit, visiting(Action.REQUEST, *Role)]
Acting = Annotated[Visit, visiting(Action.APPROVE, *Role)]

_DECIDED_WITHIN: Final = dt.timedelta(hours=72)
_STEP_WITHIN: Final = dt.timedelta(hours=24)
_DEFAULT_DAYS: Final = 30
_Short = Annotated[str, Query(max_length=2_000)]


@dataclass(frozen=True, slots=True)
class Item:
    """A request as somebody sees it.

    Attributes:
        may: What they can do with it now.
        delegates: To whom they can delegate the step at hand.
    """

    kept: KeptRequest
    person: Person
    now: dt.datetime
    delegates: tuple[str, ...] = ()

    @property
    def asked(self) -> AccessRequest:
        """What is asked for."""
        return self.kept.request

    @property
    def id(self) -> str:
        """Its id."""
        return self.asked.id

    @property
    def digest(self) -> str:
        """What every step signs."""
        return self.asked.digest()

    @property
    def used(self) -> int:
        """How many records were read by it."""
        return self.kept.used

    @property
    def state(self) -> str:
        """How it stands."""
        return self.kept.standing.state(self.now).value

    @property
    def next(self) -> str | None:
        """Whose step is at hand."""
        duty = self.kept.standing.next_duty
        return duty.value if duty is not None and self.state == "pending" else None

    @property
    def step(self) -> int:
        """Which one that is."""
        return len(self.kept.standing.takers) + 1

    @property
    def steps(self) -> list[tuple[str, str | None]]:
        """Duties in order, and who took each."""
        return [(duty, taker) for duty, taker in zip_longest(STEPS[self.asked.level], self.kept.standing.takers)]

    @property
    def may(self) -> frozenset[str]:
        """See above."""
        return possible_acts(self.kept.standing, self.person, self.now)


@router.get("/requests")
async def list_requests(visit: Visiting) -> Response:
    """The inbox: what waits for them, their own, and what else they may see."""
    access, now = await visit.parts.keeper.current(), dt.datetime.now(dt.UTC)
    person = access.people[visit.who.person]
    items = [Item(each, person, now) for each in reversed(access.requests) if concerns(each, visit.who, access)]
    waiting = [each for each in items if "approve" in each.may]
    mine = [each for each in items if each.asked.requester == person.person]
    shown = {each.id for each in (*waiting, *mine)}
    others = [each for each in items if each.id not in shown]
    return visit.page("access_requests.html", waiting=waiting, mine=mine, others=others)


@router.get("/requests/new")
async def new(
    visit: Asking,
    provider: _Short = "",
    kind: _Short = "",
    purpose: _Short = "",
    record: _Short = "",
    field: Annotated[list[str] | None, Query(max_length=256)] = None,
) -> Response:
    """The form, filled in as far as a record's page did."""
    fields = ", ".join(field or ())
    return _form(visit, {"provider": provider, "kind": kind, "purpose": purpose, "records": record, "fields": fields})


@router.post("/requests/new")
async def make(visit: Asking) -> Response:
    """See that the request can be made, and have it signed."""
    access = await visit.parts.keeper.current()
    try:
        person = signer(access, visit)
        asked = _asked(visit, person)
        asked.check()
        see_provider(access, asked)
    except (Problem, ConfigurationError) as exc:
        given = {name: visit.form.one(name) for name in visit.form.fields}
        return _form(visit, given, status=422, error=exc.detail if isinstance(exc, Problem) else str(exc))
    change = AccessChange(change="request", digest=asked.digest(), level=asked.level, at=asked.made, key=person.key)
    explanation = visit.text("You ask for access. What you sign is the digest of the whole request.")
    carried = {"request": asked.encode().decode()}
    return sign_page(
        visit,
        asked.provider[0],
        change,
        explanation,
        to="/requests/signed",
        subject=_subject(asked),
        request=asked,
        carried=carried,
    )


@router.post("/requests/signed")
async def made(visit: Asking) -> Response:
    """Take in a request that was signed."""
    try:
        members = msgspec.json.decode(visit.form.one("request"), type=dict[str, object])
        members.pop("v", None)
        body = AskedBody.model_validate(members)
    except (ValidationError, msgspec.MsgspecError):
        raise Problem(422, "invalid_access_request", "a request has not its form") from None
    asked = asked_request(body)
    see_provider(await visit.parts.keeper.current(), asked)
    await taken(visit.parts.approvals.ask(asked, signed_act(visit.who, signed_body(visit, SignedBody), "request")))
    return visit.redirect(f"/requests/{asked.id}")


@router.get("/requests/{name}")
async def show(visit: Visiting, name: UUID) -> Response:
    """One request, and what they can do with it."""
    return await _page(visit, name)


@router.post("/requests/{name}/acts")
async def act(visit: Acting, name: UUID) -> Response:
    """Have an act signed."""
    access, form = await visit.parts.keeper.current(), visit.form
    item = _item(access, visit, name)
    change, person = form.one("change"), signer(access, visit)
    if change not in item.may:
        return await _page(visit, name, status=409, error="this is not yours to do, or not any more")
    reason, delegate = form.one("reason"), access.people.get(form.one("to"))
    if (change == "refuse" and not reason) or (change == "delegate" and delegate is None):
        return await _page(visit, name, status=422, error="a refusal has a reason, and a delegation a person")
    said = AccessChange(
        change=change,
        digest=item.digest,
        at=now_said(),
        key=person.key,
        step=None if change == "revoke" else item.step,
        reason=item.asked.reason_digest(reason) if change == "refuse" else None,
        to=delegate.key if change == "delegate" and delegate is not None else None,
    )
    explanation = visit.text(_EXPLANATIONS[change], n=item.step)
    return sign_page(
        visit,
        item.asked.provider[0],
        said,
        explanation,
        to=f"/requests/{name}/signed",
        subject=_subject(item.asked),
        request=item.asked,
    )


@router.post("/requests/{name}/signed")
async def acted(visit: Acting, name: UUID) -> Response:
    """Take in an act that was signed; it holds in every process from the next look on."""
    _item(await visit.parts.keeper.current(), visit, name)
    try:
        await visit.parts.approvals.act(name, signed_act(visit.who, signed_body(visit, SignedBody), None))
    except (ApprovalRefused, BadAssertion) as exc:
        return await _page(visit, name, status=409, error=str(exc))
    return visit.redirect(f"/requests/{name}")


_EXPLANATIONS: Final = {
    "approve": "You approve step {n} of this request.",
    "refuse": "You refuse this request.",
    "delegate": "You delegate step {n} of this request.",
    "revoke": "You revoke this request. It opens nothing from the next look on.",
}


async def _page(visit: Visit, name: UUID, *, status: int = 200, error: str | None = None) -> Response:
    access = await visit.parts.keeper.current()
    return visit.page("access_request.html", status=status, error=error, item=_item(access, visit, name))


def _item(access: Access, visit: Visit, name: UUID) -> Item:
    kept = next((each for each in access.requests if each.request.id == str(name)), None)
    if kept is None or not concerns(kept, visit.who, access):
        raise not_found()
    person = access.people[visit.who.person]
    delegates = sorted(
        each.person
        for each in access.people.values()
        if each.active and each.key and each.unit == person.unit and each.person != person.person
    )
    return Item(kept, person, dt.datetime.now(dt.UTC), tuple(delegates))


def _subject(asked: AccessRequest) -> Subject:
    return Subject(CONTEXT.decode(), asked.encode().decode())


def _asked(visit: Visit, person: Person) -> AccessRequest:
    form, now = visit.form, dt.datetime.now(dt.UTC)
    tenant, _, domain = form.one("provider").partition("/")
    purpose = form.one("purpose")
    if not re.fullmatch(PURPOSE_FORM, purpose):
        raise Problem(422, "invalid_request", "a purpose is small letters, digits, _ and -")
    try:
        until = dt.datetime.combine(dt.date.fromisoformat(form.one("ends")), dt.time(), dt.UTC) + dt.timedelta(days=1)
        return timed_request(
            person,
            lasts=until - now,
            decided_within=_DECIDED_WITHIN,
            each_step_within=_STEP_WITHIN,
            reason=form.one("reason"),
            purpose=purpose,
            basis=form.one("basis"),
            level=int(form.one("level")),
            provider=(tenant, domain),
            kind=form.one("kind"),
            fields=tuple(_words(form.one("fields"))),
            records=tuple(str(UUID(each)) for each in _words(form.one("records"))),
            quota=int(form.one("quota")),
        )
    except (ValueError, OverflowError):
        raise Problem(422, "invalid_request", "a field has not its form") from None


def _words(text: str) -> list[str]:
    return [each for each in re.split(r"[\s,]+", text) if each]


def _form(visit: Visit, given: dict[str, str], *, status: int = 200, error: str | None = None) -> Response:
    today = dt.datetime.now(dt.UTC).date()
    ends = (today + dt.timedelta(days=_DEFAULT_DAYS)).isoformat()
    empty: dict[str, Any] = dict.fromkeys(
        ("provider", "kind", "fields", "records", "purpose", "basis", "reason"), ""
    ) | {"level": "1", "quota": "100", "ends": ends}
    return visit.page(
        "access_request_new.html",
        status=status,
        error=error,
        given=empty | given,
        levels=STEPS,
        earliest=today.isoformat(),
        latest=(today + LONGEST - dt.timedelta(days=2)).isoformat(),
    )
