"""How pages answer when something is wrong: with a page that says so, in the reader's language."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from sealstream.api.problems import Problem, problem_of
from sealstream.console.visits import ROOT, guest, see_form
from security.access.principal import NotAuthenticated

log = structlog.get_logger(__name__)

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), "
    "microphone=(), geolocation=()",
}
"""Beside those of every answer: no script, style or form target that is not ours, and nothing inline."""


class PageRoute(APIRoute):
    """A route whose answers are pages, errors too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Answer, whatever happens."""
        answer = super().get_route_handler()

        async def answering(request: Request) -> Response:
            try:
                response = await answer(request)
            except NotAuthenticated:
                response = await _logged_out(request)
            except Exception as exc:
                response = await _error(request, exc)
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return answering


def pages_router() -> APIRouter:
    """A router for pages; their paths begin under the console's root, and every form that is sent is one of ours."""
    return APIRouter(prefix=ROOT, route_class=PageRoute, include_in_schema=False, dependencies=[Depends(see_form)])


async def _logged_out(request: Request) -> Response:
    here = await guest(request)
    to = f"{ROOT}/login"
    response = Response(status_code=204, headers={"HX-Redirect": to}) if here.is_fragment else RedirectResponse(to, 303)
    response.delete_cookie(
        here.parts.cookies.session, secure=here.parts.cookies.secure, httponly=True, samesite="strict"
    )
    return response


async def _error(request: Request, error: Exception) -> Response:
    problem = _problem(error)
    if problem.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # The traceback has no values of locals; the error's own text may quote anything.
        name = type(error).__name__
        log.error("console.failed", code=problem.code, error=name, request=request.state.request_id, exc_info=error)
    try:
        here = await guest(request)
    except Problem:
        # What was sent can't even be read.
        return Response(problem.detail, problem.status_code, media_type="text/plain; charset=utf-8")
    response = here.page("error.html", status=problem.status_code, problem=problem, request_id=request.state.request_id)
    if (wait := (problem.headers or {}).get("Retry-After")) is not None:
        response.headers["Retry-After"] = wait
    return response


def _problem(error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case RequestValidationError():
            return Problem(422, "invalid_request", "a field has not its form")
        case HTTPException():
            return Problem(error.status_code, "http_error", HTTPStatus(error.status_code).phrase)
    return problem_of(error)
