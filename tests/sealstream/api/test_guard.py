"""The API before any route answers: credentials, errors, sizes, rates, headers, health."""

import base64
import datetime as dt
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import OctKey
from structlog.testing import capture_logs

from security.access.embedded_issuer import EmbeddedIssuer
from security.access.principal import Action
from tests.support.api import AUDITOR, EVERYBODY, READER, Site, problem, served
from tests.support.installation import Installation

JSON = {"Content-Type": "application/json"}
LIST = "/v1/records?purpose=casework"


@pytest.fixture
async def site(platform: Installation) -> AsyncIterator[Site]:
    async with served(platform) as found:
        yield found


async def test_without_a_credential_nobody_gets_anything(site: Site) -> None:
    answer = await site.get(None, LIST)
    assert problem(answer) == (401, "no_credential")
    assert answer.headers["www-authenticate"] == 'Bearer realm="sealstream"'


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Basic dTpw",
        "bearer x.y.z",
        "Bearer sk_0123456789abcdef_" + "a" * 43,
        "Bearer " + "a" * 9000,
    ],
)
async def test_what_is_no_credential_of_ours_is_refused(site: Site, header: str) -> None:
    answer = await site.get(None, LIST, headers={"Authorization": header})
    assert answer.status_code == 401
    assert problem(answer)[1] in {"invalid_token", "invalid_key"}
    assert "error=" in answer.headers["www-authenticate"]
    secret = header.partition(" ")[2]
    assert len(secret) < 8 or secret not in answer.text


def forged(site: Site, **header: Any) -> str:
    """A token whose claims are right and whose signature is made with what everybody has."""
    _, claims, _ = site.token(READER).split(".")
    kid = json.loads(site.issuer.jwks())["keys"][0]["kid"]
    members = {"alg": "HS256", "typ": "at+jwt", "kid": kid} | header
    body = json.loads(base64.urlsafe_b64decode(claims + "=="))
    key = OctKey.import_key(site.issuer.jwks())
    return jws.serialize_compact(members, json.dumps(body).encode(), key, algorithms=["HS256"])


async def test_token_confusion_proves_nothing(site: Site) -> None:
    head, claims, signature = site.token(READER).split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
    stranger = EmbeddedIssuer(site.issuer.issuer.url, "sealstream", os.urandom(32))
    elsewhere = EmbeddedIssuer(site.issuer.issuer.url, "another service", bytes(32))
    now = dt.datetime.now(dt.UTC)
    tokens = [
        f"{none}.{claims}.",
        f"{none}.{claims}.{signature}",
        f"{head}.{claims}.{'A' * len(signature)}",
        forged(site),
        stranger.token(READER.subject or "", now),
        elsewhere.token(READER.subject or "", now),
        site.issuer.token(READER.subject or "", now - dt.timedelta(days=2)),
    ]
    for token in tokens:
        answer = await site.get(token, LIST)
        assert answer.status_code in (401, 429)
        assert token not in answer.text
    assert (await site.get(READER, LIST)).status_code in (200, 429)


async def test_two_credentials_are_none(site: Site) -> None:
    headers = [("Authorization", f"Bearer {site.token(READER)}"), ("Authorization", f"Bearer {site.token(AUDITOR)}")]
    assert problem(await site.client.get(LIST, headers=headers)) == (401, "invalid_token")


async def test_a_key_is_good_for_its_actions_alone(site: Site) -> None:
    key = await site.key(READER, Action.SEARCH)
    assert problem(await site.get(key, LIST)) == (403, "forbidden")
    assert (await site.get(await site.key(READER, Action.READ), LIST)).status_code == 200


async def test_failing_credentials_of_one_address_are_answered_slowly(site: Site) -> None:
    codes = [(await site.get("x.y.z", LIST)).status_code for _ in range(30)]
    assert codes[:20] == [401] * 20
    assert 429 in codes[20:]
    assert len(site.parts.limits.failures) == 1


async def test_a_person_who_asks_too_often_waits(platform: Installation) -> None:
    async with served(platform, api_rate=2.0) as site:
        answers = [await site.get(READER, "/v1/catalogue") for _ in range(8)]
        limited = [each for each in answers if each.status_code == 429]
        assert limited
        assert problem(limited[0]) == (429, "rate_limited")
        assert int(limited[0].headers["retry-after"]) >= 1
        # Somebody else of the same tenant does not wait for them.
        assert (await site.get(EVERYBODY[1], "/v1/catalogue")).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/nothing", "/v1/records/", "/v1/../healthz/x", "/docs", "/v1/%2e%2e/x", "/v1//records"]
)
async def test_an_unknown_address_is_a_problem_too(site: Site, path: str) -> None:
    assert problem(await site.get(READER, path))[0] in (404, 422)


async def test_another_method_is_said_with_those_that_there_are(site: Site) -> None:
    answer = await site.ask("DELETE", READER, LIST)
    assert problem(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET"


async def test_a_wrong_form_names_places_and_no_values(site: Site) -> None:
    secret = "6217000010001234567"
    answer = await site.post(READER, "/v1/records/search", {"field": "account", "value": 1, "note": secret, secret: 1})
    assert problem(answer) == (422, "invalid_request")
    assert secret not in answer.text
    assert {"where": "body.value", "what": "string_type"} in answer.json()["faults"]
    answer = await site.get(READER, f"/v1/records/{secret}?purpose=casework")
    assert problem(answer) == (422, "invalid_request")
    assert secret not in answer.text


@pytest.mark.parametrize(
    ("headers", "content", "expected"),
    [
        pytest.param({"Content-Type": "text/plain"}, b"{}", 415, id="text"),
        pytest.param({"Content-Type": "application/xml"}, b"<a/>", 415, id="xml"),
        pytest.param({}, b"{}", 415, id="none"),
        pytest.param({"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"{}", 415, id="gzip"),
        pytest.param({"Content-Type": "application/json"}, b"{", 422, id="cut-off"),
        pytest.param({"Content-Type": "application/json"}, b"[" * 100_000, 400, id="deep"),
        pytest.param({"Content-Type": "application/json"}, b'{"amount":' + b"9" * 9_000 + b"}", 400, id="long-number"),
        pytest.param({"Content-Type": "application/json"}, b'{"amount":"\xff"}', 400, id="no-utf-8"),
        pytest.param({"Content-Type": "application/json"}, b'{"amount":"1","purpose":"\\ud800"}', 422, id="surrogate"),
        pytest.param({"Content-Type": "application/json"}, b" " * 300_000, 413, id="oversize"),
    ],
)
async def test_bodies_that_are_none(site: Site, headers: dict[str, str], content: bytes, expected: int) -> None:
    answer = await site.ask("POST", READER, "/v1/classify", headers=headers, content=content)
    assert problem(answer)[0] == expected


async def test_a_body_without_a_length_is_cut_at_the_bound(site: Site) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(1_000):
            taken += 10_000
            yield b" " * 10_000

    answer = await site.ask(
        "POST", READER, "/v1/classify", headers={"Content-Type": "application/json"}, content=endless()
    )
    assert problem(answer) == (413, "too_large")
    assert taken < 400_000


async def test_every_answer_has_the_headers_and_its_requests_id(site: Site) -> None:
    for path in (LIST, "/v1/nothing", "/healthz"):
        answer = await site.get(READER, path, headers={"X-Request-Id": "mine-1"})
        assert answer.headers["x-request-id"] == "mine-1"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers
    made = (await site.get(READER, LIST, headers={"X-Request-Id": "no good\tid"})).headers["x-request-id"]
    assert len(made) == 32


async def test_sites_that_are_named_may_use_it_from_a_browser(platform: Installation) -> None:
    async with served(platform, api_cors_origins=("https://console.example.org",)) as site:
        for origin, allowed in (("https://console.example.org", True), ("https://evil.example.org", False)):
            answer = await site.get(READER, LIST, headers={"Origin": origin})
            assert ("access-control-allow-origin" in answer.headers) is allowed


async def test_the_log_has_routes_and_no_values(site: Site) -> None:
    secret = "6217000010001234567"
    with capture_logs() as entries:
        await site.get(READER, f"/v1/records/{'0' * 8}-0000-0000-0000-{'0' * 12}?purpose=casework&x={secret}")
        await site.get(READER, f"/v1/{secret}")
    told = [entry for entry in entries if entry["event"] == "api.request"]
    assert [(entry["route"], entry["status"]) for entry in told] == [("/v1/records/{record}", 404), (None, 404)]
    assert secret not in str(entries)


async def test_alive_ready_and_metrics_are_told_without_a_credential(site: Site) -> None:
    assert (await site.get(None, "/healthz")).json() == {"alive": True}
    assert (await site.get(None, "/readyz")).json() == {"ready": True}
    await site.get(READER, LIST)
    text = (await site.get(None, "/metrics")).text
    assert 'sealstream_api_requests_total{method="GET",route="/v1/records",status="200"}' in text


async def test_unknown_paths_and_methods_make_no_new_series(site: Site) -> None:
    for number in range(30):
        await site.ask(f"M{number}", READER, f"/v1/path-{number}")
    text = (await site.get(None, "/metrics")).text
    assert "path-" not in text
    assert 'method="other",route="unmatched"' in text
    assert "M1" not in text


async def test_a_fault_of_ours_says_nothing_of_it(site: Site) -> None:
    await site.platform.execute(
        "INSERT INTO models (name, version, digest, manifest, card, metrics, stage, share, shadow) "
        "VALUES ('m', '1', 'd', '\\x00', '', 'a secret', 'candidate', 0, false)"
    )
    answer = await site.get(AUDITOR, "/v1/models")
    assert problem(answer) == (500, "internal")
    assert "secret" not in answer.text


async def test_a_database_that_is_away_is_said_and_not_ready(site: Site) -> None:
    async with served(site.platform, people=()) as other:
        token = other.token(READER)
        client = other.client
        await other.parts.database.__aexit__()
        for path, expected in ((LIST, 503), ("/readyz", 503), ("/healthz", 200)):
            answer: httpx.Response = await client.get(path, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == expected
