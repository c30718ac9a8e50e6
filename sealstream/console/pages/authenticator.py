"""A person's authenticator: making a key in it, showing that it is theirs, and registering it as their first.

Nobody replaces a key here, or who holds a stolen API key could. That is the registrar's, who sees whose it is.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from fastapi import Response

from agents.access.registrar import AccessRegistrar
from schemas.errors import ConfigurationError
from schemas.leaf import AccessChange
from sealstream.api.problems import Problem
from sealstream.console.chinese import authenticator as chinese
from sealstream.console.rendering import Entry, Page
from sealstream.console.routes import pages_router
from sealstream.console.signing import sign_page
from sealstream.console.visits import Visit, visiting
from sealstream.people.access import now_said
from security.access.approval import check_clock
from security.access.assertion import MAX_ASSERTION, BadAssertion, verify_assertion
from security.access.person import Person
from security.access.principal import Action, Role
from security.jwk import public_jwk, thumbprint
from security.key_import import read_public_keys
from security.public_key import InvalidKeyError

router = pages_router()
PAGE: Final = Page(router, chinese.TEXTS, [Entry("/authenticator", "My authenticator", frozenset(Role))])

Asking = Annotated[Visit, visiting(Action.REQUEST, *Role)]


@router.get("/authenticator")
async def show(visit: Asking) -> Response:
    """Their key, or how to get one."""
    return await _page(visit)


@router.post("/authenticator/key")
async def made(visit: Asking) -> Response:
    """An authenticator made a key: let it sign that it has it."""
    await _keyless(visit)
    try:
        (found,) = read_public_keys(visit.form.one("public_key").encode())
    except InvalidKeyError:
        return await _page(visit, status=422, error="the authenticator's key is none that can be used here")
    members = {name: value for name, value in found.jwk.to_members().items() if name != "kid"}
    change = _change(visit, members, now_said())
    return sign_page(
        visit,
        visit.who.tenant,
        change,
        visit.text("Sign once with the new key, to show that it is yours."),
        to="/authenticator/signed",
        subject=None,
        carried={"jwk": msgspec.json.encode(members).decode(), "at": change.at or ""},
    )


@router.post("/authenticator/signed")
async def signed(visit: Asking) -> Response:
    """Register the key; raises `ApprovalRefused` where it took too long."""
    await _keyless(visit)
    assertion, parts = visit.form.one("assertion"), visit.parts
    try:
        members = msgspec.json.decode(visit.form.one("jwk"), type=dict[str, str])
        change = _change(visit, members, visit.form.one("at"))
        check_clock(change, dt.datetime.now(dt.UTC))
    except (ValueError, InvalidKeyError):
        raise Problem(422, "invalid_request", "a field has not its form") from None
    if not assertion.startswith("{") or len(assertion) > MAX_ASSERTION:
        raise Problem(422, "invalid_request", "a field has not its form")
    try:
        proof = msgspec.structs.replace(change, assertion=assertion)
        verify_assertion(parts.identity.origin(visit.who.tenant), proof, members, parts.party)
        registrar = AccessRegistrar(parts.database, parts.identity, actor=visit.who.person)
        await registrar.register_first_key(visit.who.person, members, visit.who.proof)
    except (BadAssertion, ConfigurationError) as exc:
        return await _page(visit, status=409, error=str(exc))
    return visit.redirect("/authenticator")


def _change(visit: Visit, members: Mapping[str, str], at: str) -> AccessChange:
    """What is signed: of no kind that any log takes, so that it is good for nothing else."""
    return AccessChange(
        change="own_key",
        at=at,
        jwk=dict(sorted(members.items())),
        key=thumbprint(public_jwk(members).public_key),
        person=visit.who.person,
    )


async def _person(visit: Visit) -> Person:
    return (await visit.parts.keeper.current()).people[visit.who.person]


async def _keyless(visit: Visit) -> None:
    if (await _person(visit)).key is not None:
        raise Problem(409, "key_registered", "you have a key; another one is registered by your administrator")


async def _page(visit: Visit, *, status: int = 200, error: str | None = None) -> Response:
    person = await _person(visit)
    handle = hashlib.sha256(person.person.encode()).hexdigest()
    return visit.page(
        "authenticator.html", status=status, error=error, key=person.key, party=visit.parts.party, handle=handle
    )
