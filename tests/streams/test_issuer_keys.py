"""Holding issuers' keys: rotation, floods of unknown keys, servers that are away."""

import asyncio
from collections.abc import Sequence

from security.access.embedded_issuer import EmbeddedIssuer
from security.access.issuer import Issuer
from streams.issuer_keys import ASK_AGAIN, KEEP, MAX_FRESH, MIN_FRESH, IssuerKeys
from streams.jwks_endpoint import JwksAnswer, JwksUnavailable

FIRST = EmbeddedIssuer("https://id.example.org", "sealstream", b"1" * 32)
SECOND = EmbeddedIssuer("https://id.example.org", "sealstream", b"2" * 32)
URL = FIRST.issuer.url


class Server:
    """Answers in turn; an answer of None is a server that is away."""

    def __init__(self, *answers: bytes | None, max_age: int | None = None) -> None:
        self.answers = list(answers)
        self.max_age = max_age
        self.asked = 0
        self.now = 1_000.0

    async def fetch(self, issuer: Issuer, etag: str | None) -> JwksAnswer:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            raise JwksUnavailable("away")
        return JwksAnswer(answer or None, "e", self.max_age)

    def keys(self) -> IssuerKeys:
        return IssuerKeys([FIRST.issuer], self.fetch, lambda: self.now)


def names(keys: IssuerKeys) -> Sequence[str]:
    return sorted(keys.keys(URL))


async def test_keys_are_asked_for_again_when_they_are_not_fresh_any_more() -> None:
    server = Server(FIRST.jwks(), SECOND.jwks())
    keys = server.keys()
    assert names(keys) == []
    await keys.refresh(URL)
    before = names(keys)
    server.now += MIN_FRESH - 1
    await keys.refresh(URL)
    assert (names(keys), server.asked) == (before, 1)
    server.now += 1
    await keys.refresh(URL)
    assert names(keys) != before


async def test_a_new_key_is_fetched_for_the_first_token_that_names_it_and_a_flood_asks_once() -> None:
    server = Server(FIRST.jwks(), SECOND.jwks(), max_age=1_000)
    keys = server.keys()
    await keys.refresh(URL)
    before = names(keys)
    for _ in range(50):
        await keys.refresh(URL, unknown_key=True)
    assert server.asked == 1
    server.now += ASK_AGAIN
    for _ in range(50):
        await keys.refresh(URL, unknown_key=True)
    assert server.asked == 2
    assert names(keys) != before


async def test_keys_count_on_while_their_server_is_away_but_not_for_ever() -> None:
    server = Server(FIRST.jwks(), None)
    keys = server.keys()
    await keys.refresh(URL)
    server.now += KEEP - 1
    await keys.refresh(URL)
    assert names(keys)
    server.now += 1
    assert names(keys) == []


async def test_an_answer_without_keys_changes_nothing() -> None:
    server = Server(FIRST.jwks(), b'{"keys": []}')
    keys = server.keys()
    await keys.refresh(URL)
    server.now += MAX_FRESH
    await keys.refresh(URL)
    assert server.asked == 2
    assert names(keys)


async def test_not_modified_keeps_the_keys_fresh() -> None:
    server = Server(FIRST.jwks(), b"")
    keys = server.keys()
    await keys.refresh(URL)
    server.now += KEEP - 1
    await keys.refresh(URL)
    server.now += KEEP - 1
    assert names(keys)


async def test_an_issuer_that_is_not_configured_has_no_keys() -> None:
    keys = Server(FIRST.jwks()).keys()
    await keys.refresh("https://evil.example.org")
    assert keys.keys("https://evil.example.org") == {}


async def test_a_process_that_takes_tokens_holds_keys_before_the_first_one_and_stops_asking_at_its_end() -> None:
    server = Server(FIRST.jwks())
    answered = asyncio.Event()

    async def fetch(issuer: Issuer, etag: str | None) -> JwksAnswer:
        answered.set()
        return await server.fetch(issuer, etag)

    async with IssuerKeys([FIRST.issuer], fetch, lambda: server.now).kept_fresh():
        await answered.wait()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "issuer keys"]
