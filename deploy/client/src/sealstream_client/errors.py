"""What can go wrong, by what a caller can do about it; an answer's problem details (RFC 9457) into one of these.

    ClientError
    ├── UsageError           the call can't be made like that: an address, a name or a credential has not its form
    ├── NoAnswer             the network gave none; whether a write was done is unknown, its idempotency key tells
    ├── InvalidAnswer        what came is not what the service says it answers
    ├── ReceiptRefused       a receipt does not hold (sealstream_client.receipts)
    └── ApiError             the service refused, and says why
        ├── InvalidRequest   400, 413, 415, 422, 431
        ├── NotAuthenticated 401
        ├── Forbidden        403
        ├── NotFound         404; absent and denied look alike
        ├── Conflict         409
        ├── RateLimited      429
        └── ServiceFailed    500 and above

No text here holds a credential, or a value of a record.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import httpx
import msgspec

from sealstream_client.models import Fault, Problem

PROBLEM_TYPE: Final = "application/problem+json"
UNSAID: Final = "unsaid"
"""The code of an error that something before the service answered, such as a proxy."""


class ClientError(Exception):
    """Everything that this package raises on purpose."""


class UsageError(ClientError):
    """A call can't be made like that; nothing was sent."""


class NoAnswer(ClientError):
    """The network gave no answer, after all attempts.

    Attributes:
        idempotency_key: Of a write, whose outcome is unknown: the same call with the same key does it once at most.
    """

    def __init__(self, why: str, idempotency_key: str | None) -> None:
        super().__init__(f"no answer ({why}); see whether the service can be reached")
        self.idempotency_key = idempotency_key


class InvalidAnswer(ClientError):
    """An answer has not the form that it must have: another version of the service, or something between."""


class ReceiptRefused(ClientError):
    """A receipt does not hold; the text says what."""


class ApiError(ClientError):
    """The service refused.

    Attributes:
        status: Of HTTP.
        code: For programs; stable. docs/api.md of Sealstream lists them.
        detail: In words.
        faults: What is wrong with a request that has not its form.
        request_id: What the service's log has it by.
        retry_after: Seconds that the service asks to wait.
        idempotency_key: Of a write.
    """

    def __init__(
        self, problem: Problem, *, request_id: str | None, retry_after: float | None, idempotency_key: str | None
    ) -> None:
        super().__init__(f"{problem.status} {problem.code}: {problem.detail}")
        self.status = problem.status
        self.code = problem.code
        self.detail = problem.detail
        self.faults: tuple[Fault, ...] = problem.faults or ()
        self.request_id = request_id
        self.retry_after = retry_after
        self.idempotency_key = idempotency_key


class InvalidRequest(ApiError):
    """The request has not its form, or can't be done as it stands."""


class NotAuthenticated(ApiError):
    """No credential, or one that proves nothing any more."""


class Forbidden(ApiError):
    """Not permitted to this person, or through this credential."""


class NotFound(ApiError):
    """Nothing of that name that you may see."""


class Conflict(ApiError):
    """It stands otherwise than the request takes for granted."""


class RateLimited(ApiError):
    """Too many requests, even after waiting."""


class ServiceFailed(ApiError):
    """The service failed, or something that it needs is away."""


_BY_STATUS: Final[Mapping[int, type[ApiError]]] = MappingProxyType(
    {401: NotAuthenticated, 403: Forbidden, 404: NotFound, 409: Conflict, 429: RateLimited}
)


def problem_of(answer: httpx.Response) -> Problem:
    """What an answer that is an error says; one with a code of its own when it is no problem document."""
    if answer.headers.get("content-type", "").partition(";")[0].strip().lower() == PROBLEM_TYPE:
        try:
            found = msgspec.json.decode(answer.content, type=Problem)
        except msgspec.MsgspecError:
            pass
        else:
            return msgspec.structs.replace(found, status=answer.status_code)
    return Problem(status=answer.status_code, code=UNSAID, detail="the answer is no problem document")


def error_of(
    problem: Problem, *, request_id: str | None, retry_after: float | None, idempotency_key: str | None
) -> ApiError:
    """The error of a problem."""
    status = problem.status
    kind = _BY_STATUS.get(status, ServiceFailed if status >= httpx.codes.INTERNAL_SERVER_ERROR else InvalidRequest)
    return kind(problem, request_id=request_id, retry_after=retry_after, idempotency_key=idempotency_key)
