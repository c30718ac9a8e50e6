"""Putting a model in force, going back, taking one out of use: signed by who does it, over what the logs will say.

What comes of a change is found out by trying it (agents.platform.warrant); that text is shown, hashed by the browser
and signed. Registering and measuring a model is the command's, since that takes files.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self

import msgspec
from fastapi import Response

from agents.access.warranting import CHANGERS, SignedChange
from agents.inference.standing import ALL_RECORDS, Changed
from agents.models.curator import Curator, Trust
from agents.platform.warrant import Trial, Warrant, change_context
from schemas.errors import ConfigurationError
from schemas.tenant import PLATFORM_TENANT
from sealstream.api.models import Word
from sealstream.api.problems import Problem
from sealstream.api.signed_acts import SignedMembers
from sealstream.console.chinese import models as chinese
from sealstream.console.rendering import Page
from sealstream.console.routes import pages_router
from sealstream.console.signing import Subject, sign_page, signed_act, signer, taken
from sealstream.console.visits import Visit, visiting
from sealstream.people.access import now_said
from security.access.principal import Action

router = pages_router()
PAGE: Final = Page(router, chinese.TEXTS)

Changing = Annotated[Visit, visiting(Action.APPROVE, *CHANGERS)]


class SignedModels(SignedMembers):
    """An act over what logs will say of models."""

    change: Literal["change_models"]


@dataclass(frozen=True, slots=True)
class Intention:
    """What somebody wants done with a version.

    Attributes:
        what: `activate`, `shadow`, `rollback` or `retire`.
        share: Of an activation: percent of the records.
        reason: Of an activation: why it needs no evaluation; empty where it has one.
    """

    what: str
    share: int = ALL_RECORDS
    reason: str = ""

    @classmethod
    def posted(cls, visit: Visit) -> Self:
        """As a form has it.

        Raises:
            Problem: It has not its form.
        """
        share = visit.form.one("share") or str(ALL_RECORDS)
        if not (share.isascii() and share.isdecimal() and len(share) <= 3 and 1 <= int(share) <= ALL_RECORDS):
            raise Problem(422, "invalid_request", "a share is a number of percent, from 1 to 100")
        return cls(visit.form.one("what"), int(share), visit.form.one("reason"))

    def carried(self) -> dict[str, str]:
        """As it goes on with the signature."""
        return {"what": self.what, "share": str(self.share), "reason": self.reason}

    def work(self, name: str, version: str) -> Callable[[Curator], Awaitable[list[Changed]]]:
        """What does it.

        Raises:
            Problem: There is no such thing to do.
        """
        trust = Trust(unevaluated=self.reason or None)
        match self.what:
            case "activate":
                return lambda curator: curator.activate(name, version, share=self.share, trust=trust)
            case "shadow":
                return lambda curator: curator.activate(name, version, shadow=True)
            case "rollback":
                return lambda curator: curator.roll_back(name)
            case "retire":
                return lambda curator: curator.retire(name, version)
            case _:
                raise Problem(422, "invalid_request", "a model is activated, rolled back or retired")


@router.post("/models/{name}/{version}/change")
async def change(visit: Changing, name: Word, version: Word) -> Response:
    """Find out what it comes to, and have that signed."""
    intention = Intention.posted(visit)
    person = signer(await visit.parts.keeper.current(), visit)
    trial = Trial(now_said())
    await taken(_made(visit, trial, intention, name, version))
    (asked,) = trial.change
    return sign_page(
        visit,
        asked.tenant,
        msgspec.structs.replace(asked.unsigned(trial.at), key=person.key),
        visit.text("You change model {name} in every log, from the next record on.", name=name),
        to=f"/models/{name}/{version}/signed",
        subject=Subject(change_context(), asked.text),
        carried=intention.carried(),
    )


@router.post("/models/{name}/{version}/signed")
async def changed(visit: Changing, name: Word, version: Word) -> Response:
    """Do what was signed."""
    act = signed_act(visit, SignedModels)
    identity = visit.parts.identity
    warrant = SignedChange(
        {PLATFORM_TENANT: act}, identity, await asyncio.to_thread(identity.voucher), party=visit.parts.party
    )
    await taken(_made(visit, warrant, Intention.posted(visit), name, version))
    return visit.redirect(f"/models/{name}/{version}")


async def _made(visit: Visit, warrant: Warrant, intention: Intention, name: str, version: str) -> list[Changed]:
    parts, store = visit.parts, visit.parts.store
    if store is None:
        raise ConfigurationError("this process has no model store: set SEALSTREAM_MODEL_STORE, and restart it")
    try:
        work = intention.work(name, version)
    except ConfigurationError as exc:
        raise Problem(422, "invalid_request", str(exc)) from None
    curator = await asyncio.to_thread(
        lambda: Curator(parts.database, parts.identity, store, actor=visit.who.person, warrant=warrant)
    )
    return await work(curator)
