"""Routes of requests for access, and the signed acts over them. Who acts is who asks, and signed it."""

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from agents.access.keeper import Access, KeptRequest
from schemas.errors import ConfigurationError
from sealstream.api.authentication import PartsOf, Who, permitted
from sealstream.api.idempotency import IdempotencyKey
from sealstream.api.problems import Problem, not_found
from sealstream.api.shapes import Body
from sealstream.api.signed_acts import MOMENT_FORM, SignedMembers, act_of
from security.access.access_request import AccessRequest, moment
from security.access.approval import SignedAct
from security.access.person import Duty
from security.access.principal import Action, Principal, Role

router = APIRouter(prefix="/v1", tags=["approvals"])

_EVERY = tuple(Role)
Asking = Annotated[Principal, permitted(Action.REQUEST, *_EVERY)]
Acting = Annotated[Principal, permitted(Action.APPROVE, *_EVERY)]

_Text = Field(min_length=1, max_length=2_000)
_Moment = Field(pattern=MOMENT_FORM)


class AccessRequestView(BaseModel):
    """A request, and how it stands.

    Attributes:
        steps: Who took each step so far.
        next: Whose step is at hand.
        digest: What every step signs.
    """

    request: UUID
    digest: str
    state: str
    requester: str
    unit: tuple[str, str]
    provider: tuple[str, str]
    kind: str
    fields: list[str]
    records: list[str]
    purpose: str
    reason: str
    basis: str
    level: int
    steps: list[str]
    next: str | None
    made: str
    deadline: str
    ends: str
    used: int
    quota: int


class AccessRequests(BaseModel):
    """Requests, the oldest first."""

    data: list[AccessRequestView]


class SignedBody(SignedMembers):
    """What somebody signed with their own key: `sealstream.local/…` origin and this, see docs/api.md.

    Attributes:
        assertion: Base64 of the signature, or what a browser's authenticator gives.
        key: Thumbprint of the signer's key.
    """

    change: Literal["request", "approve", "refuse", "delegate", "revoke"]
    level: int | None = Field(None, ge=1, le=3)
    step: int | None = Field(None, ge=1, le=3)
    reason: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="Digest of a refusal's reason")
    to: str | None = Field(None, pattern="^[A-Za-z0-9_-]{43}$")


class AskedBody(Body):
    """A request as it was signed over."""

    id: UUID
    requester: str = Field(min_length=1, max_length=128)
    unit: tuple[str, str]
    reason: str = _Text
    purpose: str = _Text
    basis: str = _Text
    level: int = Field(ge=1, le=3)
    provider: tuple[str, str]
    kind: str = _Text
    fields: list[str] = Field(min_length=1, max_length=256)
    records: list[UUID] = Field([], max_length=1_000)
    quota: int = Field(ge=1, le=1_000_000)
    made: str = _Moment
    deadline: str = _Moment
    step_seconds: int = Field(ge=1, le=31_622_400)
    ends: str = _Moment
    salt: str = Field(pattern="^[0-9a-f]{32}$")


class AskBody(Body):
    """A request, and the signature of who makes it."""

    request: AskedBody
    act: SignedBody


@router.get("/access-requests", operation_id="listAccessRequests")
async def list_requests(who: Who, parts: PartsOf) -> AccessRequests:
    """The requests that concern you: your own, your unit's, those for your unit's records, or all by role or duty."""
    access, now = await parts.keeper.current(), dt.datetime.now(dt.UTC)
    return AccessRequests(data=[_view(each, now) for each in access.requests if concerns(each, who, access)])


@router.post("/access-requests", operation_id="askForAccess", response_model=AccessRequestView)
async def ask(request: Request, who: Asking, parts: PartsOf, body: AskBody, key: IdempotencyKey = None) -> Response:
    """Make a request for fields above your standing tier."""

    async def work() -> AccessRequestView:
        asked = asked_request(body.request)
        see_provider(await parts.keeper.current(), asked)
        try:
            standing = await parts.approvals.ask(asked, signed_act(who, body.act, "request"))
        except ConfigurationError as exc:
            raise Problem(422, "invalid_access_request", str(exc)) from None
        return _view(KeptRequest(standing, 0), dt.datetime.now(dt.UTC))

    return await parts.writes.once(request, who, key, work)


@router.post("/access-requests/{name}/acts", operation_id="actOnAccessRequest", response_model=AccessRequestView)
async def act(
    request: Request, who: Acting, parts: PartsOf, name: UUID, body: SignedBody, key: IdempotencyKey = None
) -> Response:
    """Approve, refuse, delegate or revoke; it holds in every process from the next look on."""

    async def work() -> AccessRequestView:
        access = await parts.keeper.current()
        kept = next((each for each in access.requests if each.request.id == str(name)), None)
        if kept is None or not concerns(kept, who, access):
            raise not_found()
        standing = await parts.approvals.act(name, signed_act(who, body, None))
        return _view(KeptRequest(standing, kept.used), dt.datetime.now(dt.UTC))

    return await parts.writes.once(request, who, key, work)


def see_provider(access: Access, asked: AccessRequest) -> None:
    """See that somebody is there whose records could be asked for: a request opens no log of its own."""
    if asked.provider not in {each.unit for each in access.people.values()}:
        raise Problem(422, "unknown_provider", "nobody of that tenant and department is registered")


def concerns(kept: KeptRequest, who: Principal, access: Access) -> bool:
    """Whether somebody may see a request: their unit's, about their unit's records, or all by role or duty."""
    person = access.people.get(who.person)
    if who.roles & {Role.ADMINISTRATOR, Role.AUDITOR}:
        return True
    if person is not None and Duty.EXCHANGE_AUTHORITY in person.duties:
        return True
    return who.unit in (kept.request.unit, kept.request.provider)


def signed_act(who: Principal, body: SignedBody, only: str | None) -> SignedAct:
    """The act, as of who sent it.

    Raises:
        Problem: It does not belong here, or was signed at no time.
    """
    if (body.change == "request") is not (only == "request"):
        raise Problem(422, "invalid_request", "that act does not belong here")
    return act_of(who, body)


def asked_request(body: AskedBody) -> AccessRequest:
    """The request.

    Raises:
        Problem: It has not its form.
    """
    try:
        for text in (body.made, body.deadline, body.ends):
            moment(text)
        return msgspec.convert(body.model_dump(mode="json"), type=AccessRequest)
    except (msgspec.MsgspecError, ValueError):
        raise Problem(422, "invalid_access_request", "a request has not its form") from None


def _view(kept: KeptRequest, now: dt.datetime) -> AccessRequestView:
    asked, standing = kept.request, kept.standing
    return AccessRequestView(
        request=UUID(asked.id),
        digest=asked.digest(),
        state=standing.state(now).value,
        requester=asked.requester,
        unit=asked.unit,
        provider=asked.provider,
        kind=asked.kind,
        fields=list(asked.fields),
        records=list(asked.records),
        purpose=asked.purpose,
        reason=asked.reason,
        basis=asked.basis,
        level=asked.level,
        steps=list(standing.takers),
        next=standing.next_duty.value if standing.next_duty is not None else None,
        made=asked.made,
        deadline=asked.deadline,
        ends=asked.ends,
        used=kept.used,
        quota=asked.quota,
    )
