"""Logging in and out, and choosing the language."""

import datetime as dt
import re
from typing import Final

from fastapi import Response

from sealstream.api.authentication import KEY_PREFIX, proved
from sealstream.api.peers import certificate_of
from sealstream.console.chinese import login as chinese
from sealstream.console.language import COOKIE, LANGUAGES
from sealstream.console.rendering import Page
from sealstream.console.routes import pages_router
from sealstream.console.sessions import LIFETIME, Login, new_visit
from sealstream.console.visits import ROOT, Guest, Here, Visiting, set_cookie
from security.access.principal import NotAuthenticated, Principal

router = pages_router()
PAGE: Final = Page(router, chinese.TEXTS)

_BACK: Final = re.compile(rf"{ROOT}/[A-Za-z0-9/_-]*(\?[A-Za-z0-9=&%._~+-]*)?")
_YEAR: Final = 365 * 24 * 3600


@router.get("/login")
async def login_page(here: Here) -> Response:
    """Ask for a credential."""
    return here.page("login.html", error=None)


@router.post("/login")
async def log_in(here: Here) -> Response:
    """Take an API key or an access token, as the API does."""
    credential = here.form.one("credential")
    made: list[Login] = []

    async def prove() -> Principal:
        login, who = await _login(here, credential, dt.datetime.now(dt.UTC))
        made.append(login)
        return who

    try:
        await proved(here.request, here.parts, prove)
    except NotAuthenticated as exc:
        return here.page("login.html", status=401, error=str(exc))
    sessions, response = here.parts.sessions, here.redirect("/")
    set_cookie(
        response,
        sessions.session_cookie,
        sessions.seal(made[0]),
        secure=sessions.secure,
        seconds=made[0].ends - int(dt.datetime.now(dt.UTC).timestamp()),
    )
    return response


@router.post("/logout")
async def log_out(visit: Visiting) -> Response:
    """Forget the login."""
    response, sessions = visit.redirect("/login"), visit.parts.sessions
    response.delete_cookie(sessions.session_cookie, secure=sessions.secure, httponly=True, samesite="strict")
    # What the browser kept of pages goes with it; not the storage, where a person pinned the keys of logs.
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


@router.post("/language")
async def choose_language(here: Here) -> Response:
    """Go on in another language, where they were."""
    back = here.form.one("back")
    response = here.redirect(back.removeprefix(ROOT) if _BACK.fullmatch(back) else "/")
    if (language := here.form.one("language")) in LANGUAGES:
        set_cookie(response, COOKIE, language, secure=here.parts.sessions.secure, seconds=_YEAR)
    return response


async def _login(here: Guest, credential: str, now: dt.datetime) -> tuple[Login, Principal]:
    authenticator, visit, latest = here.parts.authenticator, new_visit(), now + LIFETIME
    if credential.startswith(KEY_PREFIX):
        who = await authenticator.by_api_key(credential, now)
        return Login(visit=visit, ends=int(latest.timestamp()), api_key=credential), who
    proof = await authenticator.prove(credential, now, certificate_of(here.request.scope))
    who = await authenticator.by_subject(proof.issuer, proof.subject)
    ends = int(min(latest, proof.expires).timestamp())
    return Login(visit=visit, ends=ends, issuer=proof.issuer, subject=proof.subject, certificate=proof.certificate), who
