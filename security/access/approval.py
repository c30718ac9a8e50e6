"""What became of a request: the acts over it, each checked against its signature, its place in the order and its time.

Nothing here is taken from a row's word: a state is made of signed acts alone, whoever wrote them down. What an approval
opens is a policy's to say (`context.approval`).
"""

import contextlib
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NoReturn

from schemas.errors import SealstreamError
from schemas.leaf import AccessChange
from security.access.access_request import STEPS, AccessRequest, moment
from security.access.assertion import RelyingParty, verify_assertion
from security.access.person import Duty, Person


class RequestState(StrEnum):
    """How a request stands."""

    PENDING = "pending"
    GRANTED = "granted"
    REFUSED = "refused"
    REVOKED = "revoked"
    EXPIRED = "expired"


class ApprovalRefused(SealstreamError):
    """An act over a request may not be done: by this person, now, or at all.

    Attributes:
        reason: A code for programs.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class SignedAct:
    """An act over a request, and who is said to have done it."""

    person: str
    change: AccessChange


@dataclass(frozen=True, slots=True)
class Standing:
    """How a request stands after some acts.

    Attributes:
        made: Whether its own act is there: before, nothing else is.
        closed: Refused or revoked.
        takers: Who took each step so far.
        progress: When the last step was taken.
        delegates: Thumbprints of the keys of those whom the step at hand was delegated to.
    """

    request: AccessRequest
    made: bool = False
    closed: RequestState | None = None
    takers: tuple[str, ...] = ()
    progress: dt.datetime = field(default=dt.datetime.min.replace(tzinfo=dt.UTC))
    delegates: frozenset[str] = frozenset()

    def state(self, now: dt.datetime) -> RequestState:
        """How it stands at a moment."""
        if self.closed is not None:
            return self.closed
        if self.next_duty is not None:
            return RequestState.PENDING if now < moment(self.request.deadline) else RequestState.EXPIRED
        return RequestState.GRANTED if now < moment(self.request.ends) else RequestState.EXPIRED

    @property
    def next_duty(self) -> Duty | None:
        """Whose step is at hand; None when all are taken."""
        steps = STEPS[self.request.level]
        return steps[len(self.takers)] if len(self.takers) < len(steps) else None

    @property
    def due(self) -> dt.datetime:
        """From then on the step at hand is escalated."""
        return self.progress + dt.timedelta(seconds=self.request.step_seconds)


def follow(
    request: AccessRequest,
    origin: str,
    acts: Iterable[SignedAct],
    people: Mapping[str, Person],
    party: RelyingParty | None = None,
) -> Standing:
    """Go through all acts over a request.

    Args:
        origin: Of the log that has them.
        people: By id.

    Raises:
        BadAssertion: One is not signed by who is said to have done it.
        ApprovalRefused: One may not have been done.
    """
    standing = Standing(request)
    for act in acts:
        standing = advance(standing, origin, act, people, party)
    return standing


def advance(
    standing: Standing,
    origin: str,
    act: SignedAct,
    people: Mapping[str, Person],
    party: RelyingParty | None = None,
) -> Standing:
    """How a request stands after one more act.

    Raises:
        BadAssertion: It is not signed by who is said to have done it.
        ApprovalRefused: It may not be done.
    """
    request, change = standing.request, act.change
    person = people.get(act.person)
    if person is None or person.jwk is None:
        _refuse("unknown_person", "nobody is registered whose key could have signed this")
    verify_assertion(origin, change, person.jwk, party)
    if change.digest != request.digest() or change.at is None:
        _refuse("another_request", "this was signed for another request")
    at = moment(change.at)
    match change.change:
        case "request":
            return _made(standing, person, change, at)
        case "revoke":
            return _revoked(standing, person, at)
        case "approve" | "refuse" | "delegate":
            return _stepped(standing, person, change, at, people)
        case _:
            raise ApprovalRefused("unknown_act", "this is no act over a request")


def possible_acts(standing: Standing, person: Person, at: dt.datetime) -> frozenset[str]:
    """What somebody might do with a request at a moment, once that they sign it."""
    if person.jwk is None or not person.active:
        return frozenset()
    found = {"revoke"} if _may_revoke(standing, person, at) else set()
    duty = standing.next_duty
    if standing.made and duty is not None and standing.state(at) is RequestState.PENDING:
        for changes, may_be_delegate in ((("approve", "refuse"), True), (("delegate",), False)):
            with contextlib.suppress(ApprovalRefused):
                _see_entitled(standing, person, duty, at, may_be_delegate=may_be_delegate)
                found.update(changes)
    return frozenset(found)


def _made(standing: Standing, person: Person, change: AccessChange, at: dt.datetime) -> Standing:
    request = standing.request
    if standing.made:
        _refuse("replayed", "this request was made already")
    if (person.person, person.unit) != (request.requester, request.unit) or change.level != request.level:
        _refuse("not_the_requester", "somebody asks for themself, at the level that they sign for")
    if at != moment(request.made):
        _refuse("another_request", "this was signed at another time than the request was made")
    return replace(standing, made=True, progress=at)


def _revoked(standing: Standing, person: Person, at: dt.datetime) -> Standing:
    if standing.state(at) not in (RequestState.PENDING, RequestState.GRANTED):
        _refuse("over", "there is nothing left to revoke")
    if not _may_revoke(standing, person, at):
        _refuse("not_entitled", "a request is revoked by who made it, who approved it, or the exchange authority")
    return replace(standing, closed=RequestState.REVOKED)


def _may_revoke(standing: Standing, person: Person, at: dt.datetime) -> bool:
    over = standing.state(at) not in (RequestState.PENDING, RequestState.GRANTED)
    theirs = person.person in (standing.request.requester, *standing.takers) or Duty.EXCHANGE_AUTHORITY in person.duties
    return standing.made and theirs and not over


def _stepped(
    standing: Standing, person: Person, change: AccessChange, at: dt.datetime, people: Mapping[str, Person]
) -> Standing:
    duty = standing.next_duty
    if not standing.made:
        _refuse("out_of_order", "a request is made before it is decided over")
    if standing.state(at) is not RequestState.PENDING or duty is None:
        _refuse("over", "this request is decided, or its deadline is over")
    if at < standing.progress:
        _refuse("out_of_order", "this was signed before the step that comes before it")
    if change.step != len(standing.takers) + 1:
        _refuse("out_of_order", f"step {len(standing.takers) + 1} is at hand")
    _see_entitled(standing, person, duty, at, may_be_delegate=change.change != "delegate")
    if change.change == "delegate":
        return replace(standing, delegates=standing.delegates | {_delegate(standing, person, change, people)})
    if change.change == "refuse":
        if change.reason is None:
            _refuse("no_reason", "a refusal gives its reason")
        return replace(standing, closed=RequestState.REFUSED)
    return replace(standing, takers=(*standing.takers, person.person), progress=at, delegates=frozenset())


def _see_entitled(standing: Standing, person: Person, duty: Duty, at: dt.datetime, *, may_be_delegate: bool) -> None:
    """See that a step is this person's: by duty, by delegation, or because it is overdue."""
    request = standing.request
    if person.person == request.requester:
        _refuse("own_request", "nobody decides over their own request")
    if person.person in standing.takers:
        _refuse("same_person", "each step is another person's")
    if not person.active:
        _refuse("unknown_person", "nobody of that name is registered here any more")
    if duty is not Duty.UNIT_HEAD and person.unit == request.unit:
        _refuse("same_unit", "this step is for somebody outside the requester's unit")
    if duty in person.duties and _place_fits(request, person, duty):
        return
    if may_be_delegate and person.key in standing.delegates:
        return
    overdue = at >= standing.due
    if overdue and Duty.EXCHANGE_AUTHORITY in person.duties and person.unit != request.unit:
        return
    _refuse("not_entitled", f"this step is for {duty.value}" + ("" if overdue else "; it is not overdue yet"))


def _place_fits(request: AccessRequest, person: Person, duty: Duty) -> bool:
    match duty:
        case Duty.UNIT_HEAD:
            return person.unit == request.unit
        case Duty.DATA_PROVIDER:
            return person.unit == request.provider
        case Duty.EXCHANGE_AUTHORITY:
            return True


def _delegate(standing: Standing, person: Person, change: AccessChange, people: Mapping[str, Person]) -> str:
    """Whom a step goes to: within the unit, so that no unit's answer becomes another's."""
    found = next((each for each in people.values() if each.key is not None and each.key == change.to), None)
    if found is None or found.unit != person.unit or not found.active:
        _refuse("not_entitled", "a step is delegated within one's own unit, to somebody with a key")
    if found.person in (standing.request.requester, *standing.takers):
        _refuse("same_person", "a step is not delegated to who asks, or to who took one already")
    return change.to or ""


@dataclass(frozen=True, slots=True)
class Grant:
    """A request that was granted, as reading needs it.

    Attributes:
        left: How many more records may be read by it.
    """

    request: AccessRequest
    left: int


def covering(
    grants: Sequence[Grant], person: str, unit: tuple[str, str], purpose: str, place: tuple[str, str, str], record: str
) -> list[Grant]:
    """Which of these cover a look, the highest level first.

    Args:
        grants: Granted now.
        unit: The reader's, now: an approval does not follow somebody to another unit.
        place: Tenant, domain and kind of the record.
        record: Its id.
    """
    found = [
        grant
        for grant in grants
        if (grant.request.requester, grant.request.unit, grant.request.purpose) == (person, unit, purpose)
        and (*grant.request.provider, grant.request.kind) == place
        and (not grant.request.records or record in grant.request.records)
        and grant.left > 0
    ]
    return sorted(found, key=lambda grant: (-grant.request.level, grant.request.id))


def approved_fields(grants: Iterable[Grant]) -> tuple[tuple[str, int], ...]:
    """Field name to the highest level that covers it, sorted: what `Circumstances.approvals` takes."""
    levels: dict[str, int] = {}
    for grant in grants:
        for name in grant.request.fields:
            levels[name] = max(levels.get(name, 0), grant.request.level)
    return tuple(sorted(levels.items()))


CLOCKS_DIFFER: Final = dt.timedelta(minutes=5)


def check_clock(change: AccessChange, now: dt.datetime) -> None:
    """See that an act was signed just now: kept back, it could be dated to before a deadline.

    Raises:
        ApprovalRefused: It was not.
    """
    if change.at is None or abs(moment(change.at) - now) > CLOCKS_DIFFER:
        _refuse("not_now", "this was signed at another time than now; are the clocks right?")


def _refuse(reason: str, detail: str) -> NoReturn:
    raise ApprovalRefused(reason, detail)
