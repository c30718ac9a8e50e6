"""Policies: versions and texts, proposing the next one and adopting it, both signed. Their effects: policy_effects."""

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from fastapi import Response

from agents.access.policy_keeper import policy_act
from schemas.errors import ConfigurationError
from schemas.tenant import PLATFORM_TENANT
from sealstream.api.problems import Problem, not_found
from sealstream.console.chinese import policies as chinese
from sealstream.console.rendering import Entry, Page
from sealstream.console.routes import pages_router
from sealstream.console.signing import SignedPolicy, Subject, sign_page, signed_act, signer, taken
from sealstream.console.visits import Visit, visiting
from sealstream.people.access import now_said
from security.access.policy_set import InvalidPolicies, PolicySet, default_policies, digest_context
from security.access.principal import Action, Role
from streams.storage.policies import PolicyRow, find_policy, list_policies

router = pages_router()
_ROLES = (Role.ADMINISTRATOR, Role.AUDITOR)
PAGE: Final = Page(router, chinese.TEXTS, [Entry("/policies", "Policies", frozenset(_ROLES))])

Looking = Annotated[Visit, visiting(Action.READ, *_ROLES)]
Proposing = Annotated[Visit, visiting(Action.REQUEST, Role.ADMINISTRATOR)]
Adopting = Annotated[Visit, visiting(Action.APPROVE, Role.ADMINISTRATOR)]

_LARGEST: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Version:
    """A version; 0 is what the program ships.

    Attributes:
        state: `in_force`, `proposed`, `former`, or `outdated`: made for other policies than are in force now.
    """

    row: PolicyRow
    state: str


@router.get("/policies")
async def versions(visit: Looking) -> Response:
    """Every version, the newest first."""
    found = await _versions(visit)
    return visit.page("policies.html", versions=found, may_propose=visit.may(Action.REQUEST, Role.ADMINISTRATOR))


@router.get("/policies/new")
async def new(visit: Proposing) -> Response:
    """The text in force, to change it."""
    access = await visit.parts.keeper.current()
    return visit.page("policy_new.html", error=None, text=access.decider.policies.text, based_on=access.version)


@router.post("/policies/new")
async def propose(visit: Proposing) -> Response:
    """See that it may be proposed, and have it signed."""
    access, text = await visit.parts.keeper.current(), _text(visit)
    version = await visit.parts.policies.next_version()
    try:
        person = signer(access, visit)
        change = policy_act("propose", version, text, now_said())
    except (Problem, InvalidPolicies) as exc:
        error = exc.detail if isinstance(exc, Problem) else str(exc)
        return visit.page("policy_new.html", status=422, error=error, text=text, based_on=access.version)
    return sign_page(
        visit,
        PLATFORM_TENANT,
        msgspec.structs.replace(change, key=person.key),
        visit.text(
            "You propose version {n} of the policies. It holds once somebody of another unit adopts it.", n=version
        ),
        to="/policies/signed",
        subject=Subject(digest_context(), text),
        carried={"text": text},
    )


@router.post("/policies/signed")
async def proposed(visit: Proposing) -> Response:
    """Take in a proposal that was signed."""
    row = await taken(visit.parts.policies.propose(_text(visit), signed_act(visit, SignedPolicy)))
    return visit.redirect(f"/policies/{row.version}")


@router.get("/policies/{version:int}")
async def show(visit: Looking, version: int) -> Response:
    """One version with its text."""
    found = next((each for each in await _versions(visit) if each.row.version == version), None)
    if found is None:
        raise not_found()
    return visit.page("policy.html", version=found)


@router.post("/policies/{version:int}/adopt")
async def adopt(visit: Adopting, version: int) -> Response:
    """Have an adoption signed: of exactly the text that the page shows."""
    row = await _proposal(visit, version)
    person = signer(await visit.parts.keeper.current(), visit)
    try:
        change = policy_act("adopt", version, row.text, now_said())
    except InvalidPolicies as exc:
        raise Problem(409, "not_taken", str(exc)) from None
    return sign_page(
        visit,
        PLATFORM_TENANT,
        msgspec.structs.replace(change, key=person.key),
        visit.text("You put version {n} of the policies in force, for everybody and from the next look on.", n=version),
        to=f"/policies/{version}/signed",
        subject=Subject(digest_context(), row.text),
    )


@router.post("/policies/{version:int}/signed")
async def adopted(visit: Adopting, version: int) -> Response:
    """Take in an adoption that was signed."""
    act = signed_act(visit, SignedPolicy)
    if act.change.version != version:
        raise Problem(422, "invalid_request", "that act does not belong here")
    await taken(visit.parts.policies.adopt(act))
    return visit.redirect(f"/policies/{version}")


async def stored_policy(visit: Visit, version: int) -> PolicyRow:
    """A stored version.

    Raises:
        Problem: There is none.
    """
    if not 0 < version <= _LARGEST:
        raise not_found()
    try:
        async with visit.parts.database.session(clean=True) as connection:
            return await find_policy(connection, version=version)
    except ConfigurationError:
        raise not_found() from None


async def _proposal(visit: Visit, version: int) -> PolicyRow:
    row = await stored_policy(visit, version)
    if row.adopter is not None:
        raise Problem(409, "not_taken", "that version was adopted already")
    return row


async def _versions(visit: Visit) -> list[Version]:
    # What is in force is what the platform adopted, and not what a row says.
    access = await visit.parts.keeper.current()
    async with visit.parts.database.session(clean=True) as connection:
        rows = await list_policies(connection)
    text = default_policies()
    shipped = PolicyRow(version=0, based_on=0, text=text, digest=PolicySet.parse(text).digest, proposer="")
    return [Version(row, _state(row, access.version)) for row in reversed([shipped, *rows])]


def _state(row: PolicyRow, in_force: int) -> str:
    if row.version == in_force:
        return "in_force"
    if row.adopter is not None or row.version == 0:
        return "former"
    return "proposed" if row.based_on == in_force else "outdated"


def _text(visit: Visit) -> str:
    """As forms have it: browsers send lines with a carriage return, which nobody wrote."""
    return visit.form.one("text").replace("\r\n", "\n") + "\n"
