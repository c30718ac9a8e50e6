"""Logging in and out, and choosing the language."""

import datetime as dt
import re
from typing import Final

from fastapi import Response

from sealstream.api.authentication import presented, proved
from sealstream.api.peers import certificate_of
from sealstream.console.chinese import login as chinese
from sealstream.console.language import COOKIE, LANGUAGES
from sealstream.console.rendering import Page
from sealstream.console.routes import pages_router
from sealstream.console.visits import ROOT, Here, Visiting, set_cookie
from security.access.principal import NotAuthenticated
from security.access.session import session_digest
from streams.storage.sessions import end_session

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
    parts, now = here.parts, dt.datetime.now(dt.UTC)
    shown = presented(here.form.one("credential"), certificate_of(here.request.scope))
    try:
        await proved(here.request, parts, lambda: parts.authenticator.principal(shown, now))
        opened = await parts.logins.open_session(shown, now)
    except NotAuthenticated as exc:
        return here.page("login.html", status=401, error=str(exc))
    cookies, response = parts.cookies, here.redirect("/")
    seconds = int((opened.ends - now).total_seconds())
    set_cookie(response, cookies.session, opened.text, secure=cookies.secure, seconds=seconds)
    return response


@router.post("/logout")
async def log_out(visit: Visiting) -> Response:
    """End the login, here and wherever else its cookie was brought to."""
    digest = session_digest(visit.login or "")
    if digest is not None:
        async with visit.parts.database.session() as connection:
            await end_session(connection, digest)
    response, cookies = visit.redirect("/login"), visit.parts.cookies
    response.delete_cookie(cookies.session, secure=cookies.secure, httponly=True, samesite="strict")
    # What the browser kept of pages goes with it; not the storage, where a person pinned the keys of logs.
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


@router.post("/language")
async def choose_language(here: Here) -> Response:
    """Go on in another language, where they were."""
    back = here.form.one("back")
    response = here.redirect(back.removeprefix(ROOT) if _BACK.fullmatch(back) else "/")
    if (language := here.form.one("language")) in LANGUAGES:
        set_cookie(response, COOKIE, language, secure=here.parts.cookies.secure, seconds=_YEAR)
    return response
