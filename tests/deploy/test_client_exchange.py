"""When the client asks again, how long it waits, and what it raises in the end; without a socket."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sealstream_client import (
    ApiError,
    AsyncClient,
    Client,
    Conflict,
    Forbidden,
    InvalidAnswer,
    InvalidRequest,
    NoAnswer,
    NotAuthenticated,
    NotFound,
    RateLimited,
    Retries,
    ServiceFailed,
    UsageError,
)
from sealstream_client.calls import Call, classify, decide_review, search_records
from sealstream_client.exchange import Came, Wait, exchange, retry_after

URL = "https://api.example"
NOW = dt.datetime(2026, 1, 5, 8, tzinfo=dt.UTC)
USUAL, AT_ONCE = Retries(), Retries(first=0.0)
READ = Call(method="GET", path="/v1/x", read=bytes)
PLAIN_POST = Call(method="POST", path="/v1/x", read=bytes, body=b"{}")
LOST = httpx.ReadTimeout("too long")


def refusal(status: int, code: str = "unavailable", **headers: str) -> httpx.Response:
    body = {"type": f"urn:sealstream:problem:{code}", "title": "", "status": status, "detail": "why", "code": code}
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"} | named)


def drive(call: Call[Any], *came: Came, retries: Retries = USUAL, chance: float = 0.5) -> tuple[list[float], Any]:
    """What it waited, and what it gave; it asks for exactly as many answers as there are."""
    talk = exchange(call, retries, now=lambda: NOW, chance=lambda: chance)
    left, waited = list(came), []
    step = next(talk)
    try:
        while True:
            if isinstance(step, Wait):
                waited.append(step.seconds)
                step = talk.send(None)
            else:
                assert step is call
                step = talk.send(left.pop(0))
    except StopIteration as end:
        given = end.value
    except Exception as exc:
        given = exc
    assert not left
    return waited, given


def test_what_passes_is_tried_again_with_growing_pauses() -> None:
    done = httpx.Response(200, content=b"found")
    assert drive(READ, refusal(503), LOST, refusal(502), done) == ([0.25, 0.5, 1.0], b"found")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 422, 500])
def test_what_stays_as_it_is_is_not(status: int) -> None:
    waited, error = drive(READ, refusal(status))
    assert waited == []
    assert isinstance(error, ApiError)


def test_it_gives_up_after_its_attempts() -> None:
    waited, error = drive(READ, refusal(429, "rate_limited"), refusal(429, "rate_limited"), retries=Retries(attempts=2))
    assert len(waited) == 1
    assert isinstance(error, RateLimited)
    assert drive(READ, LOST, retries=Retries(attempts=1))[0] == []


@given(st.floats(0, 1), st.integers(0, 20))
def test_it_never_comes_back_before_it_was_asked_to(chance: float, seconds: int) -> None:
    waited, _ = drive(READ, refusal(429, retry_after=str(seconds)), httpx.Response(200), chance=chance)
    assert seconds <= waited[0] <= seconds + USUAL.first


@given(st.floats(0, 1), st.integers(1, 60))
def test_no_pause_is_longer_than_the_longest(chance: float, attempt: int) -> None:
    pause = Retries(attempts=100).pause(attempt, None, chance)
    assert pause is not None
    assert 0 <= pause <= USUAL.longest


def test_who_asks_for_more_than_the_longest_pause_is_not_waited_for() -> None:
    waited, error = drive(READ, refusal(503, retry_after="31"))
    assert waited == []
    assert isinstance(error, ServiceFailed)
    assert error.retry_after == 31


def test_a_write_is_sent_again_under_its_key_alone() -> None:
    assert isinstance(drive(PLAIN_POST, LOST)[1], NoAnswer)
    assert isinstance(drive(PLAIN_POST, refusal(503))[1], ServiceFailed)
    decided = httpx.Response(200, json={"record": str(uuid4()), "review": str(uuid4()), "number": 1})
    deciding = decide_review(uuid4(), "salary", "seen", "casework", None)
    # The first attempt may still be under way: then the same key says so, and it is waited for.
    assert drive(deciding, LOST, refusal(409, "write_unanswered"), decided)[1].number == 1
    assert isinstance(drive(deciding, refusal(409, "not_reviewable"))[1], Conflict)
    _, error = drive(deciding, LOST, retries=Retries(attempts=1))
    assert error.idempotency_key == deciding.idempotency_key
    assert decide_review(uuid4(), "a", "b", "casework", "mine").idempotency_key == "mine"


def test_a_post_that_only_reads_is_sent_again() -> None:
    found = httpx.Response(200, json={"data": [], "next": None})
    assert drive(search_records("account", "1", "casework", 20), LOST, found)[1] == []
    answer = httpx.Response(200, json={"label": "salary", "confidence": 0.5, "model": "m 1"})
    assert drive(classify("1.00", {}), refusal(503, "busy"), answer)[1].label == "salary"


def test_a_proof_that_is_not_signed_yet_is_asked_for_again() -> None:
    assert drive(READ, refusal(404, "not_proved", retry_after="1"), httpx.Response(200))[0] == [1.25]
    assert drive(READ, refusal(404, "not_found"))[0] == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param(None, None, id="absent"),
        pytest.param("7", 7, id="seconds"),
        pytest.param("Mon, 05 Jan 2026 08:00:09 GMT", 9, id="date"),
        pytest.param("Mon, 05 Jan 2026 08:00:09 -0000", 9, id="date without a zone"),
        pytest.param("Mon, 05 Jan 2026 07:00:00 GMT", 0, id="past"),
        pytest.param("-1", None, id="negative"),
        pytest.param("٧", None, id="other digits"),
        pytest.param("soon", None, id="neither"),
        pytest.param("9" * 400, 999_999_999, id="endless"),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    assert retry_after(text, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequest),
        (401, NotAuthenticated),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (422, InvalidRequest),
        (429, RateLimited),
        (500, ServiceFailed),
        (503, ServiceFailed),
    ],
)
def test_each_refusal_has_its_kind_and_says_why(status: int, kind: type[ApiError]) -> None:
    _, error = drive(READ, refusal(status, "some_code", x_request_id="r-1"), retries=Retries(attempts=1))
    assert type(error) is kind
    assert (error.status, error.code, error.detail, error.request_id) == (status, "some_code", "why", "r-1")
    assert str(error) == f"{status} some_code: why"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(httpx.Response(502, text="<html>amount 12.50</html>"), id="a proxy's"),
        pytest.param(
            httpx.Response(502, content=b"{", headers={"content-type": "application/problem+json"}), id="broken"
        ),
    ],
)
def test_an_error_that_is_no_problem_document_is_not_quoted(answer: httpx.Response) -> None:
    _, error = drive(READ, answer, retries=Retries(attempts=1))
    assert (error.status, error.code) == (502, "unsaid")
    assert "12.50" not in str(error)


def test_an_answer_that_is_none_of_the_services_is_said() -> None:
    assert isinstance(drive(READ, httpx.Response(302, headers={"location": "https://elsewhere"}))[1], InvalidAnswer)
    assert isinstance(drive(search_records("a", "b", "c", 1), httpx.Response(200, text="[]"))[1], InvalidAnswer)


def answering(*came: httpx.Response | httpx.RequestError) -> tuple[Callable[..., httpx.Response], list[httpx.Request]]:
    left, seen = list(came), []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        found = left.pop(0)
        if isinstance(found, httpx.RequestError):
            raise found
        return found

    return answer, seen


DECIDED = {"record": str(uuid4()), "review": str(uuid4()), "number": 1}


async def test_both_clients_send_the_same_again_under_the_same_key() -> None:
    for twin in (Client, AsyncClient):
        answer, seen = answering(LOST, refusal(503, retry_after="0"), httpx.Response(200, json=DECIDED))
        mine: Any = twin(api_key="sk_1", base_url=URL, retries=AT_ONCE, transport=httpx.MockTransport(answer))
        done = mine.decide_review(uuid4(), "salary", "seen", purpose="casework")
        done = done if twin is Client else await done
        assert done.number == 1
        assert len({(each.url, each.content, each.headers["idempotency-key"]) for each in seen}) == 1
        assert len(seen) == 3
        assert seen[0].headers["authorization"] == "Bearer sk_1"
        assert seen[0].extensions["timeout"]["connect"] == 5.0


def test_a_token_is_asked_for_before_each_attempt() -> None:
    answer, seen = answering(refusal(503), httpx.Response(200, json={"data": []}))
    tokens = iter(["old", "new"])
    with Client(
        token=lambda: next(tokens), base_url=URL, retries=AT_ONCE, transport=httpx.MockTransport(answer)
    ) as mine:
        assert mine.list_logs() == []
    assert [each.headers["authorization"] for each in seen] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("credentials", [{}, {"api_key": "a", "token": "b"}, {"api_key": ""}, {"api_key": "a\nb: c"}])
def test_a_credential_that_is_none_is_refused(credentials: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        Client(base_url=URL, **credentials)


def test_no_credential_and_no_value_stands_in_a_repr() -> None:
    field = {"state": "open", "tier": 3, "value": "12.50"}
    record = {"record": str(uuid4()), "message": str(uuid4()), "tenant": "a", "domain": "b", "type": "c",
              "outcome": "completed", "received": "2026-01-05T08:00:00Z", "fields": {"amount": field}}  # fmt: skip
    answer, _ = answering(httpx.Response(200, json={"data": [record], "next": None}))
    mine = Client(api_key="sk_secret", base_url=URL, transport=httpx.MockTransport(answer))
    page = mine.query_data("prj-1")
    assert page.data[0].fields["amount"].value == "12.50"
    assert "12.50" not in repr([page, *page.data])
    assert "sk_secret" not in repr([mine, mine._sender])
    assert "secret" not in repr(search_records("name", "secret", "casework", 1))


def test_members_that_a_newer_service_adds_are_ignored() -> None:
    answer = httpx.Response(200, content=msgspec.json.encode(DECIDED | {"added": {"later": True}}))
    assert drive(decide_review(uuid4(), "a", "b", "casework", None), answer)[1].number == 1
