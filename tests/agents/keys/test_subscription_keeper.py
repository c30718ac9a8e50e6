"""Keys that follow a producer's JWK Set, from a real HTTPS server."""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agents.keys.subscription_keeper import LEAST_EVERY, SubscriptionKeeper
from agents.platform.actor import pseudonym
from schemas.errors import ConfigurationError
from security.signing import Ed25519Signer
from streams.health import Health
from streams.jwks_endpoint import JwksAnswer, fetch_jwks
from streams.storage.keys import SigningKeyRow, list_signing_keys
from streams.storage.subscriptions import SubscriptionRow, list_subscriptions
from tests.shared_data import shared
from tests.support.installation import BANK_A, Installation
from tests.support.jwks_server import JwksServer, jwks_server

EVERY, KEEP = dt.timedelta(minutes=15), dt.timedelta(days=7)


def jwks(*names: str, seed: str = "") -> bytes:
    signers = [Ed25519Signer(name, (seed + name).encode().ljust(32, b".")) for name in names]
    return json.dumps({"keys": [dict(signer.jwk.to_members()) for signer in signers]}).encode()


class World:
    """A platform, an endpoint, and a clock that the test moves."""

    def __init__(self, platform: Installation, server: JwksServer) -> None:
        self.platform, self.server, self.health = platform, server, Health()
        self.now = dt.datetime.now(dt.UTC)
        self.keeper = SubscriptionKeeper(
            platform.database, platform.identity, self.health, fetch_jwks, lambda: self.now
        )

    async def subscribe(self, **other: object) -> SubscriptionRow:
        row = SubscriptionRow(
            url=self.server.url, tenant="bank-c", domain="d", sources=["urn:c"], pins=[self.server.pin],
            ca=self.server.ca, every=EVERY, keep=KEEP, mac=b"", good_at=self.now, next_at=self.now,
        )  # fmt: skip
        return await self.platform.registrar().subscribe(replace(row, **other))  # type: ignore[arg-type]

    async def step(self, after: dt.timedelta = EVERY) -> SubscriptionRow:
        self.now += after
        await self.keeper.step()
        async with self.platform.database.session() as connection:
            (row,) = await list_subscriptions(connection)
        return row

    async def keys(self) -> dict[str, SigningKeyRow]:
        async with self.platform.database.session() as connection:
            return {row.key_id: row for row in await list_signing_keys(connection) if row.subscription}

    async def counting(self) -> set[str]:
        return {name for name, row in (await self.keys()).items() if row.not_after is None}


@pytest.fixture
async def world(platform: Installation, tmp_path: Path) -> AsyncIterator[World]:
    async with jwks_server(tmp_path) as server:
        yield World(platform, server)


async def test_keys_that_appear_count_from_then_on_and_those_that_vanish_end(world: World) -> None:
    await world.subscribe()
    world.server.gives(jwks("a", "b"))
    before = dt.datetime.now(dt.UTC)
    await world.step()
    keys = await world.keys()
    assert all(row.not_before is not None and row.not_before >= before for row in keys.values())
    world.server.gives(jwks("b", "c"))
    await world.step()
    assert await world.counting() == {"b", "c"}
    assert (await world.keys())["a"].not_after is not None
    leaves = await world.platform.leaves("bank-c", of_keys=True)
    said = [(leaf["key"]["change"], leaf["key"].get("id")) for leaf in leaves]
    assert said[0] == ("subscribe", None)
    assert sorted(said[1:]) == [("limit", "a"), ("register", "a"), ("register", "b"), ("register", "c")]
    actor = pseudonym(world.platform.identity.keyring, "bank-c", f"subscription:{world.server.url}")
    assert {leaf["actor"] for leaf in leaves[1:]} == {actor}
    await world.platform.sequence()
    assert [str(finding) for finding in (await world.platform.audit()).findings] == []


async def test_a_set_that_did_not_change_is_asked_for_by_its_tag_and_changes_nothing(world: World) -> None:
    await world.subscribe()
    world.server.gives(jwks("a"), ETag='"1"', Cache_Control="max-age=1")
    row = await world.step()
    assert (row.etag, row.next_at) == ('"1"', world.now + LEAST_EVERY)
    revision = await world.platform.one("SELECT max(revision) FROM registry_changes")
    world.server.gives(b"", status=304, Cache_Control="max-age=999999999")
    row = await world.step()
    assert (world.server.asked[-1]["If-None-Match"], row.next_at) == ('"1"', world.now + EVERY)
    await world.step(dt.timedelta(minutes=1))
    assert len(world.server.asked) == 2, "not before its time"
    world.server.gives(jwks("a"))
    await world.step()
    assert await world.platform.one("SELECT max(revision) FROM registry_changes") == revision


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"", 200, id="empty"),
        pytest.param(b'{"keys": []}', 200, id="no-keys"),
        pytest.param(b'{"keys": [{"kty": "of-tomorrow"}]}', 200, id="none-that-we-can-use"),
        pytest.param(b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "b", "d": "AAAA"}]}', 200, id="private"),
        pytest.param(b"<html>", 200, id="a-page"),
        pytest.param(jwks("z"), 503, id="broken"),
    ],
)
async def test_an_answer_that_is_none_removes_nothing_until_the_agreed_time_is_over(
    world: World, body: bytes, status: int
) -> None:
    await world.subscribe()
    world.server.gives(jwks("a"))
    good = await world.step()
    world.server.gives(body, status=status)
    row = await world.step()
    assert await world.counting() == {"a"}
    assert row.good_at == good.good_at
    assert "its 1 keys count until" in str(row.fault)
    assert world.health.parts()[f"subscription {world.server.url}"].why == row.fault
    assert world.health.ready  # a producer's endpoint is nothing that traffic could be sent elsewhere for
    row = await world.step(KEEP)
    assert await world.counting() == set()
    assert "no key of it counts" in str(row.fault)
    world.server.gives(jwks("fresh"))
    assert (await world.step()).fault is None
    assert await world.counting() == {"fresh"}
    assert world.health.parts() == {}


async def test_a_key_that_can_t_be_taken_is_named_and_the_others_are_taken(world: World) -> None:
    await world.subscribe()
    world.server.gives(jwks("a", "b"))
    await world.step()
    entries = [*json.loads(jwks(BANK_A.key_id, "../x", "c"))["keys"], *json.loads(jwks("a", seed="other"))["keys"]]
    entries.append({"kty": "OKP", "crv": "Ed25519", "kid": "b", "x": "broken"})
    world.server.gives(json.dumps({"keys": entries}).encode())
    fault = str((await world.step()).fault)
    assert f"{BANK_A.key_id} is another key's" in fault
    assert "no name (kid)" in fault
    assert "a was given to another key" in fault
    assert await world.counting() == {"b", "c"}, "a broken entry still names its key"
    world.server.gives(jwks("a", "b", "c"))
    assert "a was withdrawn and is there again" in str((await world.step()).fault)
    assert await world.counting() == {"b", "c"}


async def test_a_subscription_that_sql_made_or_changed_is_not_followed(world: World) -> None:
    await world.subscribe()
    world.server.gives(jwks("a"))
    await world.platform.execute("UPDATE key_subscriptions SET sources = '{urn:*}'")
    assert "did not make" in str((await world.step()).fault)
    assert (await world.keys(), world.server.asked) == ({}, [])


async def test_a_subscription_ends_with_its_keys_and_may_not_be_made_twice(world: World) -> None:
    await world.subscribe()
    world.server.gives(jwks("a"))
    await world.step()
    for fault in ({}, {"url": "https://x/", "tenant": "platform"}, {"url": "https://x/", "sources": []}):
        with pytest.raises(ConfigurationError):
            await world.subscribe(**fault)  # type: ignore[arg-type]
    await world.platform.registrar().unsubscribe(world.server.url)
    assert await world.counting() == set()
    with pytest.raises(ConfigurationError, match="no subscription"):
        await world.platform.registrar().unsubscribe(world.server.url)


async def test_hostile_answers_change_nothing(world: World) -> None:
    await world.subscribe(keep=dt.timedelta(days=365))
    world.server.gives(jwks("a"))
    await world.step()
    files = sorted(path for path in shared("data/hostile").rglob("*") if path.is_file())
    for path in files[:: max(1, len(files) // 60)]:
        world.server.gives(path.read_bytes())
        assert (await world.step()).fault is not None
    assert await world.counting() == {"a"}


async def test_one_process_follows_at_a_time_and_another_takes_over(world: World) -> None:
    world.server.gives(jwks("a"))
    asked: list[str] = []

    def keeper(name: str, standing: asyncio.Event) -> SubscriptionKeeper:
        async def fetch(url: str, *, pins: tuple[str, ...], ca: str | None, etag: str | None) -> JwksAnswer:
            asked.append(name)
            return await fetch_jwks(url, pins=pins, ca=ca, etag=etag)

        platform = world.platform
        return SubscriptionKeeper(platform.database, platform.identity, world.health, fetch, working=standing.set)

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    events = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(keeper("first", events[0]).run())
    await events[0].wait()
    second = asyncio.create_task(keeper("second", events[1]).run())
    await events[1].wait()
    await world.subscribe()
    await until(lambda: bool(asked))
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await world.platform.execute("UPDATE key_subscriptions SET next_at = now()")
    await until(lambda: "second" in asked)
    assert asked[0] == "first"
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
