"""What a person signs in the browser: the page that asks for it, and reading what comes back.

No challenge is kept: it is the digest of the statement itself, which names the log, what is done, to what and when. An
act counts within five minutes and once, since each changes what the next one would have to say.
"""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import msgspec
from fastapi import Response
from pydantic import Field, ValidationError

from agents.access.keeper import Access
from schemas.errors import ConfigurationError
from schemas.leaf import AccessChange
from sealstream.api.problems import Problem
from sealstream.api.signed_acts import SignedMembers, act_of
from sealstream.console.visits import ROOT, Visit
from security.access.access_request import AccessRequest
from security.access.approval import ApprovalRefused, SignedAct
from security.access.assertion import BadAssertion, statement
from security.access.person import Person

Form = TypeVar("Form", bound=SignedMembers)
Taken = TypeVar("Taken")


class SignedPolicy(SignedMembers):
    """An act over a version of the policies."""

    change: Literal["propose", "adopt"]
    version: int = Field(ge=1)


class SignedEntry(SignedMembers):
    """An act over a version of an entry of the catalogue; `id` is the kind of record."""

    change: Literal["propose_entry", "adopt_entry"]
    version: int = Field(ge=1)
    id: str = Field(min_length=1, max_length=200)


@dataclass(frozen=True, slots=True)
class Subject:
    """What an act is over, shown beside it: its digest stands in the statement.

    Attributes:
        before: Hashed before the text.
    """

    before: str
    text: str


def signer(access: Access, visit: Visit) -> Person:
    """Whoever is to sign.

    Raises:
        Problem: They have no key.
    """
    person = access.people[visit.who.person]
    if person.key is None:
        raise Problem(409, "no_key", "you have no key yet; register an authenticator first")
    return person


def sign_page(
    visit: Visit,
    tenant: str,
    change: AccessChange,
    explanation: str,
    *,
    to: str,
    subject: Subject | None,
    request: AccessRequest | None = None,
    carried: Mapping[str, str] | None = None,
) -> Response:
    """The page on which an act is signed.

    Args:
        tenant: Whose log gets it.
        to: Where it goes on, signed.
        subject: That the act is over, if it is over any; the browser hashes it, and compares.
        request: Whose members are shown one by one.
        carried: What goes on with it.
    """
    return visit.page(
        "sign.html",
        explanation=explanation,
        action=f"{ROOT}{to}",
        party=visit.parts.party,
        statement=statement(visit.parts.identity.origin(tenant), change).decode(),
        asked=request,
        subject=subject,
        carried={"act": msgspec.json.encode(change).decode()} | dict(carried or {}),
    )


def signed_body(visit: Visit, form: type[Form]) -> Form:
    """The act that was posted, with what an authenticator said to it.

    Args:
        form: What may be signed here.

    Raises:
        Problem: It has not its form.
    """
    try:
        members = msgspec.json.decode(visit.form.one("act"), type=dict[str, object])
        return form.model_validate(members | {"assertion": visit.form.one("assertion")})
    except (ValidationError, msgspec.MsgspecError):
        raise Problem(422, "invalid_request", "a field has not its form") from None


def signed_act(visit: Visit, form: type[Form]) -> SignedAct:
    """The same as `signed_body`, as the act of who is logged in."""
    return act_of(visit.who, signed_body(visit, form))


async def taken(work: Awaitable[Taken]) -> Taken:
    """What came of taking in an act.

    Raises:
        Problem: It was not taken, and why.
    """
    try:
        return await work
    except (ApprovalRefused, BadAssertion, ConfigurationError) as exc:
        raise Problem(409, "not_taken", str(exc)) from None
