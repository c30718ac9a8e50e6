"""Fetching a JWK Set from a real HTTPS server: what is taken, and every way in which an answer is not."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from schemas.errors import ConfigurationError
from streams import jwks_endpoint
from streams.jwks_endpoint import MAX_BODY_BYTES, JwksUnavailable, check_endpoint, fetch_jwks
from tests.support.jwks_server import JwksServer, jwks_server

OTHER_PIN = "sha256/" + "A" * 43 + "="


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[JwksServer]:
    async with jwks_server(tmp_path) as found:
        yield found


async def test_an_answer_comes_with_its_tag_and_age_and_is_not_sent_again(server: JwksServer) -> None:
    server.gives(b"the keys", ETag='"1"', Cache_Control="public, max-age=300")
    answer = await fetch_jwks(server.url, ca=server.ca, pins=(OTHER_PIN, server.pin))
    assert (answer.body, answer.etag, answer.max_age) == (b"the keys", '"1"', 300)
    server.gives(b"", status=304)
    assert (await fetch_jwks(server.url, ca=server.ca, etag='"1"')).body is None
    assert server.asked[-1]["If-None-Match"] == '"1"'


async def test_a_server_whose_key_is_not_pinned_is_asked_nothing(server: JwksServer) -> None:
    with pytest.raises(JwksUnavailable, match="none of the pinned"):
        await fetch_jwks(server.url, ca=server.ca, pins=(OTHER_PIN,))
    assert server.asked == []


async def test_a_server_that_we_do_not_trust_is_asked_nothing(server: JwksServer, tmp_path: Path) -> None:
    with pytest.raises(JwksUnavailable, match="not one that we trust"):
        await fetch_jwks(server.url, pins=(server.pin,))
    async with jwks_server(tmp_path / "named", host="elsewhere.example") as other:
        with pytest.raises(JwksUnavailable, match="not one that we trust"):
            await fetch_jwks(other.url, ca=other.ca, pins=(other.pin,))
        assert other.asked == server.asked == []


@pytest.mark.parametrize(
    ("status", "headers", "body", "why"),
    [
        pytest.param(302, {"Location": "https://127.0.0.1:9/"}, b"", "redirects", id="redirect"),
        pytest.param(307, {"Location": "/other"}, b"", "redirects", id="redirect-to-itself"),
        pytest.param(404, {}, b"", "HTTP 404", id="not-there"),
        pytest.param(500, {}, b"", "HTTP 500", id="broken"),
        pytest.param(200, {}, b" " * (MAX_BODY_BYTES + 1), "more than", id="too-long"),
        pytest.param(200, {"Content_Encoding": "gzip"}, b"\x1f\x8b", "packs", id="packed"),
    ],
)
async def test_an_answer_that_is_none_is_refused(
    server: JwksServer, status: int, headers: dict[str, str], body: bytes, why: str
) -> None:
    server.gives(body, status=status, **headers)
    with pytest.raises(JwksUnavailable, match=why):
        await fetch_jwks(server.url, ca=server.ca)
    assert len(server.asked) == 1


async def test_an_endless_answer_and_a_silent_one_are_given_up(
    server: JwksServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(1 << 16))
            await asyncio.sleep(0.001)  # the client shares this loop

    server.answer = endless
    with pytest.raises(JwksUnavailable, match="more than"):
        await fetch_jwks(server.url, ca=server.ca)

    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    server.answer = silent
    monkeypatch.setattr(jwks_endpoint, "TOTAL_SECONDS", 0.5)
    with pytest.raises(JwksUnavailable, match="did not answer within"):
        await fetch_jwks(server.url, ca=server.ca)


async def test_what_speaks_no_tls_is_refused() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(plain, "localhost", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(JwksUnavailable, match="does not answer as a server"):
            await fetch_jwks(f"https://localhost:{port}/")


@pytest.mark.parametrize(
    ("url", "pins", "ca"),
    [
        pytest.param("http://localhost/", (), None, id="plain-http"),
        pytest.param("https:///jwks", (), None, id="no-host"),
        pytest.param("https://user:secret@localhost/", (), None, id="a-password"),
        pytest.param("https://localhost:port/", (), None, id="no-port"),
        pytest.param("https://localhost/a b", (), None, id="a-space"),
        pytest.param("https://localhost/", ("sha256/AAAA",), None, id="a-short-pin"),
        pytest.param("https://localhost/", ("sha1/" + "A" * 43 + "=",), None, id="another-digest"),
        pytest.param("https://localhost/", (), "no certificate", id="no-certificate"),
    ],
)
def test_an_endpoint_that_could_not_be_asked_is_refused(url: str, pins: tuple[str, ...], ca: str | None) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_endpoint(url, pins, ca)
    assert "secret" not in str(refused.value)
