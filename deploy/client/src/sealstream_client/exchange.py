"""One call from its first attempt to its end, without a socket or a clock: both clients drive the same generator.

It yields what to do, a request to send or seconds to wait, and is given what came of it.
"""

import datetime as dt
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

import httpx

from sealstream_client.calls import Call
from sealstream_client.errors import ApiError, InvalidAnswer, NoAnswer, error_of, problem_of

T = TypeVar("T")

AWAY: Final = frozenset({429, 502, 503, 504})
"""Statuses that say: not now. Nothing was done, or what sent them does not know."""

NOT_YET: Final = frozenset({"not_proved", "write_unanswered"})
"""Codes that say: ask again. A proof is about to be signed; the first attempt at a write is still under way."""

MAX_REQUEST_ID: Final = 64


@dataclass(frozen=True, slots=True)
class Retries:
    """How often to try, and how long to wait in between: twice as long each time, and a random part of that.

    Attributes:
        attempts: In all; 1 tries once.
        first: Seconds, at most, before the second attempt.
        longest: Seconds, at most, between two. A service that asks for more is not waited for.
    """

    attempts: int = 4
    first: float = 0.5
    longest: float = 30.0

    def pause(self, attempt: int, asked: float | None, chance: float) -> float | None:
        """Seconds until the next attempt, or None for none.

        Args:
            attempt: Which one failed, from 1.
            asked: What the service asks to wait.
            chance: 0 to 1: clients that failed together do not come back together.
        """
        if attempt >= self.attempts or (asked is not None and asked > self.longest):
            return None
        if asked is not None:
            return asked + chance * min(self.first, self.longest - asked)
        return float(chance * min(self.first * 2.0 ** (attempt - 1), self.longest))


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for so many seconds."""

    seconds: float


Step = Call[T] | Wait
Came = httpx.Response | httpx.RequestError | None
"""What came: an answer, or the reason why there is none; nothing of waiting."""


def exchange(
    call: Call[T],
    retries: Retries,
    *,
    now: Callable[[], dt.datetime],
    chance: Callable[[], float] = random.random,
) -> Generator[Step[T], Came, T]:
    """Send a call until there is an answer to give, or no sense in sending it again.

    Raises:
        ClientError: There is no answer, or it is an error.
    """
    attempt = 0
    while True:
        attempt += 1
        came = yield call
        if isinstance(came, httpx.Response) and came.is_success:
            return call.read(came.content)
        error = _error(call, came, now())
        asked = error.retry_after if isinstance(error, ApiError) else None
        pause = retries.pause(attempt, asked, chance()) if call.repeatable and _passes(error) else None
        if pause is None:
            raise error
        yield Wait(pause)


def _error(call: Call[T], came: Came, now: dt.datetime) -> ApiError | NoAnswer | InvalidAnswer:
    if not isinstance(came, httpx.Response):
        return NoAnswer(type(came).__name__, call.idempotency_key)
    if not came.is_error:
        return InvalidAnswer(f"an answer has the status {came.status_code}, which is none of the service's")
    return error_of(
        problem_of(came),
        request_id=came.headers.get("x-request-id", "")[:MAX_REQUEST_ID] or None,
        retry_after=retry_after(came.headers.get("retry-after"), now),
        idempotency_key=call.idempotency_key,
    )


def _passes(error: ApiError | NoAnswer | InvalidAnswer) -> bool:
    """Whether it may be otherwise in a while."""
    if isinstance(error, ApiError):
        return error.status in AWAY or error.code in NOT_YET
    return isinstance(error, NoAnswer)


def retry_after(text: str | None, now: dt.datetime) -> float | None:
    """Seconds, from a number of them or a date (RFC 9110, section 10.2.3); None when it says neither."""
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max(0.0, (moment - now).total_seconds())
