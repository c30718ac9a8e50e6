"""The API's parts by themselves: buckets, cursors, issuers in the settings; and its server."""

import asyncio
import base64
import datetime as dt
import ssl
from pathlib import Path
from uuid import UUID

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from bench.api import self_signed
from schemas.errors import ConfigurationError
from sealstream.address import Address
from sealstream.api.cursors import Cursors
from sealstream.api.problems import Problem
from sealstream.api.rate_limits import TokenBuckets
from sealstream.api_server import Certificate, serve, serving
from sealstream.cli.app import app
from sealstream.people.issuers import parse_issuer
from streams.storage.reading import Cursor
from tests.support.api import READER, served
from tests.support.installation import Installation

ANYWHERE = Address("127.0.0.1", 0)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_empties_and_fills_again() -> None:
    clock = Clock()
    buckets = TokenBuckets(2.0, 3.0, clock=clock)
    assert [buckets.take("a") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert buckets.take("b") == 0.0
    clock.now = 0.5
    assert [buckets.take("a"), buckets.take("a")] == [0.0, 0.5]
    clock.now = 1_000.0
    assert [buckets.take("a") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_a_flood_of_names_takes_no_more_room() -> None:
    buckets = TokenBuckets(1.0, 1.0, most=100)
    for number in range(10_000):
        buckets.take(str(number))
    assert len(buckets) == 100


@given(
    st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC)),
    st.uuids(),
    st.lists(st.text(max_size=9), max_size=3),
)
def test_a_cursor_comes_back_as_it_was(at: dt.datetime, name: UUID, bound: list[str]) -> None:
    cursors = Cursors(bytes(32))
    text = cursors.text(Cursor(at, name), *bound)
    assert cursors.read(text, *bound) == Cursor(at, name)
    assert name.bytes not in base64.urlsafe_b64decode(text + "==")
    for wrong in ((*bound, ""), (*bound, "x")):
        with pytest.raises(Problem):
            cursors.read(text, *wrong)
    with pytest.raises(Problem):
        Cursors(b"1" * 32).read(text, *bound)


@given(st.text(max_size=100))
def test_no_other_text_is_a_cursor(text: str) -> None:
    with pytest.raises(Problem):
        Cursors(bytes(32)).read(text, "a")


def test_an_issuer_is_read_from_the_settings() -> None:
    found = parse_issuer("https://id.example https://id.example/jwks ES256,PS256 JWT", "us")
    assert (found.url, found.jwks_url, found.typ, found.audience) == (
        "https://id.example",
        "https://id.example/jwks",
        "JWT",
        "us",
    )
    assert found.algorithms == {"ES256", "PS256"}


@pytest.mark.parametrize(
    "text",
    [
        "https://id.example",
        "https://id.example http://id.example/jwks ES256",
        "https://id.example https://id.example/jwks HS256",
        "https://id.example https://id.example/jwks none",
        "https://id.example https://id.example/jwks ES256 at+jwt pin",
    ],
)
def test_an_issuer_whose_tokens_anybody_could_make_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_issuer(text, "us")


async def test_it_is_served_over_tls_and_ends_with_what_is_under_way(platform: Installation, tmp_path: Path) -> None:
    chain, key = self_signed(tmp_path)
    trusted = ssl.create_default_context(cafile=str(chain))
    async with served(platform) as site, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {site.token(READER)}"}
        async with serving(site.parts, ANYWHERE, Certificate(chain, key)) as url:
            assert url.startswith("https://")
            async with session.get(f"{url}/v1/catalogue", headers=headers, ssl=trusted) as answer:
                assert answer.status == 200
                assert "server" not in answer.headers
            async with session.get(f"{url}/healthz", headers={"X-Long": "a" * 50_000}, ssl=trusted) as answer:
                assert answer.status == 431
            body = {"amount": "1.00"}
            asking = asyncio.create_task(session.post(f"{url}/v1/classify", json=body, headers=headers, ssl=trusted))
            await asyncio.sleep(0.05)
        assert (await asking).status == 200
        async with serving(site.parts, ANYWHERE) as url:
            port = int(url.rpartition(":")[2])
            with pytest.raises(ConfigurationError, match=f"port {port}"):
                async with serving(site.parts, Address("127.0.0.1", port)):
                    pass
        with pytest.raises(ConfigurationError, match="certificate"):
            async with serving(site.parts, ANYWHERE, Certificate(key, chain)):
                pass


async def test_production_does_not_show_credentials_to_a_network(platform: Installation) -> None:
    settings = platform.settings.model_copy(update={"env": "production"})
    with pytest.raises(ConfigurationError, match="--tls-cert"):
        await serve(settings, Address("192.0.2.1", 8080), None, lambda _: None)


@pytest.mark.parametrize("arguments", [["--listen", "nowhere"], ["--tls-cert", "cert.pem"], ["--client-ca", "ca.pem"]])
def test_misuse_of_the_command_is_said(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["api", *arguments]).exit_code == 2


def test_projects_and_tokens_by_the_command_line(platform: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALSTREAM_DATABASE_URL", platform.dsn)
    monkeypatch.setenv("SEALSTREAM_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setenv("SEALSTREAM_KEYRING_DIR", str(platform.keyring_dir))

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["access", *arguments])
        assert done.exit_code == 0, done.output
        return done.output

    run("projects", "add", "prj-1", "--tenant", "bank-a", "--purpose", "casework")
    assert "prj-1" in run("projects", "list", "--json")
    run("projects", "remove", "prj-1")
    assert "prj-1" not in run("projects", "list", "--json")
    assert run("token", "somebody").count(".") == 2
