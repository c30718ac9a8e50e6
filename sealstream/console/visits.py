"""What a page is given: who is there, in which language, the form that was sent, and how to answer with a page.

Whatever is posted passes `see_form` before any route: no page can forget it. A look or a write goes through the same
collaborators as the API's routes, with the same checks.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final
from urllib.parse import parse_qs, urlencode

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse

from sealstream.api.authentication import parts_of, proved, see_permitted
from sealstream.api.cookies import new_visit, visit_of
from sealstream.api.parts import Parts
from sealstream.api.peers import certificate_of
from sealstream.api.problems import Problem
from sealstream.console.language import COOKIE, Language, chosen_language
from sealstream.console.rendering import Rendering
from security.access.presented import Means, Presented
from security.access.principal import Action, NotAuthenticated, Principal, Role
from security.access.session import session_digest

ROOT: Final = "/console"
MAX_FORM_FIELDS: Final = 2_000


class NotLoggedIn(NotAuthenticated):
    """Nobody is logged in, or not any more."""

    def __init__(self) -> None:
        super().__init__("no_credential", "nobody is logged in here")


@dataclass(frozen=True, slots=True)
class Form:
    """What was posted."""

    fields: Mapping[str, Sequence[str]]

    def one(self, name: str) -> str:
        """The value of a field, without the spaces around it; empty when it is not there."""
        return self.fields.get(name, ("",))[0].strip()

    def all(self, name: str) -> list[str]:
        """Every value of a field that is not empty."""
        return [text for each in self.fields.get(name, ()) if (text := each.strip())]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """Somebody who is here, logged in or not.

    Attributes:
        visit: Random; forms are bound to it.
        fresh: Whether the browser has its cookie still to get.
        login: The secret of a login that may count, as the browser keeps it.
    """

    request: Request
    parts: Parts
    rendering: Rendering
    language: Language
    visit: str
    fresh: bool
    login: str | None = field(repr=False)
    form: Form
    who: Principal | None = None

    def text(self, english: str, **values: object) -> str:
        """A text in their language."""
        return self.language.text(english, **values)

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Answer with a page."""
        url = self.request.url
        shared = {
            "path": url.path,
            # A form that was posted is not posted again.
            "back": f"{url.path}?{url.query}" if self.request.method == "GET" else f"{ROOT}/",
            "token": self.parts.cookies.form_token(self.visit),
        }
        body = self.rendering.page(template, self.language, self.who, shared | values)
        return self._completed(Response(body, status, media_type="text/html; charset=utf-8"))

    def redirect(self, path: str, **query: str) -> Response:
        """Go on at a page of the console."""
        return self._completed(
            RedirectResponse(f"{ROOT}{path}{'?' if query else ''}{urlencode(query)}", status_code=303)
        )

    @property
    def is_fragment(self) -> bool:
        """Whether htmx asks, which puts the answer into the page that is there."""
        return self.request.headers.get("HX-Request") == "true"

    def _completed(self, response: Response) -> Response:
        cookies = self.parts.cookies
        if self.fresh and self.login is None:
            set_cookie(response, cookies.visit, self.visit, secure=cookies.secure)
        return response


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit(Guest):
    """Somebody who is logged in, and whose credential and person count now."""

    who: Principal

    def may(self, action: Action, *roles: Role) -> bool:
        """Whether a page that needs this would let them in."""
        try:
            see_permitted(self.who, action, *roles)
        except Problem:
            return False
        return True


async def guest(request: Request) -> Guest:
    """Whoever is there; the same for all that answers a request."""
    found: Guest | None = getattr(request.state, "guest", None)
    if found is None:
        found = request.state.guest = await _guest(request)
    return found


async def see_form(request: Request) -> None:
    """See that what is posted comes from a page of ours that this browser was given.

    Raises:
        Problem: It does not, or is no form.
    """
    here = await guest(request)
    if request.method == "GET":
        return
    # Browsers say it of themselves; older ones don't.
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise _foreign()
    if not here.parts.cookies.is_ours(here.visit, here.form.one("csrf")):
        raise _foreign()


async def visitor(request: Request, here: Annotated[Guest, Depends(guest)]) -> Visit:
    """Whoever is logged in.

    Raises:
        NotLoggedIn: Nobody is.
        Problem: Too many requests.
    """
    login, parts = here.login, here.parts
    if login is None:
        raise NotLoggedIn

    shown = Presented(Means.SESSION, login, certificate_of(request.scope))
    who = await proved(request, parts, lambda: parts.authenticator.principal(shown, dt.datetime.now(dt.UTC)))
    found = request.state.guest = Visit(
        request=request,
        parts=parts,
        rendering=here.rendering,
        language=here.language,
        visit=here.visit,
        fresh=here.fresh,
        login=login,
        form=here.form,
        who=who,
    )
    return found


Here = Annotated[Guest, Depends(guest)]
Visiting = Annotated[Visit, Depends(visitor)]


def visiting(action: Action, *roles: Role) -> Any:
    """Somebody with one of these roles, through a credential that is good for an action."""

    async def check(visit: Visiting) -> Visit:
        see_permitted(visit.who, action, *roles)
        return visit

    return Depends(check)


def set_cookie(response: Response, name: str, value: str, *, secure: bool, seconds: int | None = None) -> None:
    """Give the browser a cookie that no script sees and no other site's link brings along."""
    response.set_cookie(name, value, max_age=seconds, path="/", secure=secure, httponly=True, samesite="strict")


async def _guest(request: Request) -> Guest:
    parts, rendering = parts_of(request), request.app.state.console
    cookies = request.cookies
    login = cookies.get(parts.cookies.session)
    if login is not None and session_digest(login) is None:
        login = None
    given = cookies.get(parts.cookies.visit, "")
    known = len(given) == len(new_visit()) and given.isalnum() and given.isascii()
    language = chosen_language(cookies.get(COOKIE), request.headers.get("Accept-Language", ""))
    return Guest(
        request=request,
        parts=parts,
        rendering=rendering,
        language=rendering.languages[language],
        visit=visit_of(login) if login is not None else given if known else new_visit(),
        fresh=not known,
        login=login,
        form=await _form(request),
    )


async def _form(request: Request) -> Form:
    if request.method != "POST":
        return Form({})
    try:
        text = (await request.body()).decode("ascii")
        return Form(parse_qs(text, keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS, errors="strict"))
    except ValueError:
        raise Problem(400, "malformed", "the form can't be read") from None


def _foreign() -> Problem:
    return Problem(403, "foreign_form", "this form is not from a page that you opened here; open the page again")
