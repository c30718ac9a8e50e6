"""Every error as RFC 9457 problem details: which of our errors gets which status, and no field value in any of them.

What we did not foresee gets status 500 without a word about it: its text may quote anything.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import asyncpg
import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from agents.log.tree import DamagedLog, HeldOutside, NothingSigned
from agents.reading.receipt import NotDisclosed
from agents.release import ReleaseRefused
from agents.reviews.reviewing import NotReviewable
from schemas.errors import Rejection, SealstreamError, StorageError, Unavailable
from sealstream.release.client import ReleaseAway
from security.access.approval import ApprovalRefused
from security.access.assertion import BadAssertion
from security.access.principal import NotAuthenticated
from security.proof import NoSuchProofError

log = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:sealstream:problem:"
RETRY: Final = {"Retry-After": "1"}

AWAY: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.QueryCanceledError,
    OSError,
    TimeoutError,
)
"""A database that is away, or takes longer than we wait."""


class Fault(BaseModel):
    """One thing that is wrong with a request.

    Attributes:
        where: Part of the request and names of members.
        what: A code of the validator.
    """

    where: str
    what: str


class ProblemBody(BaseModel):
    """RFC 9457, with our code.

    Attributes:
        code: For programs; stable.
        faults: Of a request that does not have its form.
    """

    type: str = Field(examples=["urn:sealstream:problem:not_found"])
    title: str
    status: int
    detail: str
    code: str = Field(examples=["not_found"])
    faults: list[Fault] | None = None


class Problem(HTTPException):
    """An answer that is an error.

    Args:
        detail: In our own words; names nothing that the request or a record holds.
    """

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, headers=headers)
        self.code = code


def not_found(what: str = "there is nothing of that name that you may see") -> Problem:
    """Absent and denied look alike."""
    return Problem(404, "not_found", what)


def forbidden(what: str) -> Problem:
    """Somebody we know may not do that."""
    return Problem(403, "forbidden", what)


def problem_response(problem: Problem, faults: Sequence[Mapping[str, str]] = ()) -> Response:
    """As it goes out."""
    body: dict[str, Any] = {
        "type": f"{TYPE_PREFIX}{problem.code}",
        "title": HTTPStatus(problem.status_code).phrase,
        "status": problem.status_code,
        "detail": problem.detail,
        "code": problem.code,
    }
    if faults:
        body["faults"] = faults
    return Response(msgspec.json.encode(body), problem.status_code, problem.headers, MEDIA_TYPE)


def problem_of(error: Exception) -> Problem:
    """What an error of ours is over HTTP."""
    match error:
        case NotAuthenticated():
            return unauthorized(error.reason, str(error))
        case ApprovalRefused():
            return Problem(409, error.reason, str(error))
        case BadAssertion():
            return Problem(422, "bad_assertion", str(error))
        case Rejection():
            return Problem(422, error.reason.value, error.detail)
        case NotReviewable():
            return Problem(409, "not_reviewable", "the record can't be decided: not open, erased, or above your tier")
        case NotDisclosed():
            return not_found("there is no such record, or nothing of it may be disclosed to you")
        case HeldOutside():
            return Problem(404, "held_outside", str(error))
        case ReleaseRefused():
            return Problem(503, "release_refused", "what was decided changed meanwhile; ask again", RETRY)
        case ReleaseAway():
            return Problem(503, "release_away", "what opens sealed fields is away now; try again", RETRY)
        case NothingSigned() | NoSuchProofError():
            return Problem(404, "not_proved", "no signed checkpoint reaches that yet; ask again in a second", RETRY)
        case Unavailable() | StorageError():
            return Problem(503, "unavailable", "something that this needs is away now; try again", RETRY)
        case DamagedLog():
            return Problem(500, "damaged_log", "what is stored is not what the log says; run `sealstream audit verify`")
        case error if isinstance(error, AWAY):
            return Problem(503, "unavailable", "something that this needs is away now; try again", RETRY)
    return Problem(500, "internal", "this failed on our side; the log of the server has it by the request id")


def unauthorized(code: str, detail: str) -> Problem:
    """Nobody we know (RFC 6750, section 3)."""
    said = "" if code == "no_credential" else ', error="invalid_token"'
    return Problem(401, code, detail, {"WWW-Authenticate": f'Bearer realm="sealstream"{said}'})


def attach(app: FastAPI) -> None:
    """Answer every error in this form."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    for kind in (SealstreamError, *AWAY):
        app.add_exception_handler(kind, _ours)


async def _http(_: Request, error: Exception) -> Response:
    if isinstance(error, Problem):
        return problem_response(error)
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    codes = {404: "no_such_route", 405: "method_not_allowed", 400: "malformed"}
    detail = {
        404: "there is no such address here; docs/openapi.json lists them",
        405: "this address does not answer that method",
        400: "the body can't be read",
    }.get(status, status.phrase)
    return problem_response(Problem(status, codes.get(status, "http_error"), detail, error.headers))


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # Neither inputs nor the validator's texts, which quote them; of a member that is too many not even the name.
    faults = [
        {
            "where": ".".join(map(str, each["loc"][:-1] if each["type"] == "extra_forbidden" else each["loc"])),
            "what": each["type"],
        }
        for each in error.errors()[:20]
    ]
    return problem_response(Problem(422, "invalid_request", "the request has not its form; see faults"), faults)


async def _ours(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    if problem.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("api.failed", code=problem.code, error=type(error).__name__, request=request.state.request_id)
    return problem_response(problem)
