"""A real OpenBao is killed under a pipeline: it seals on while its keys may be used, then waits, and loses nothing."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from agents.inference.engine import Engine
from agents.inference.model_store import ModelStore
from agents.intake.setup import COMMITS, KEYS, IntakeParts, keep_current, open_index_keys
from agents.intake.worker import beside
from agents.keys.registrar import Registrar
from agents.platform.identity import Identity
from agents.platform.knowledge import load_knowledge
from schemas.errors import Unavailable
from sealstream.audit.auditing import audit
from sealstream.settings import load_settings
from security.openbao_keyring import OpenBaoKeyring
from streams.health import Health, State
from streams.storage import keys
from streams.storage.database import Database
from tests.support.installation import BANK_A, CLUSTER, GROUP, LOG_ORIGIN, Installation
from tests.support.messages import Inbox, transaction
from tests.support.openbao import OpenBao

TTL = dt.timedelta(seconds=4)
PATIENCE = 120.0
EVERYTHING = """
path "transit/keys/+"    { capabilities = ["read", "create", "update"] }
path "transit/encrypt/+" { capabilities = ["update"] }
path "transit/decrypt/+" { capabilities = ["update"] }
path "transit/hmac/+"    { capabilities = ["update"] }
"""
"""As docs/keys.md has it."""


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[OpenBao]:
    """One of this test's own, to be killed."""
    with OpenBao(tmp_path / "vault") as server:
        yield server


@pytest.fixture
async def over_vault(dsn: str, vault: OpenBao, tmp_path: Path, engine: Engine) -> AsyncIterator[Installation]:
    """A platform whose keys are in that OpenBao."""
    async with Database(dsn, name="test", connections=8) as database:
        identity = Identity(OpenBaoKeyring(vault.client(vault.token(EVERYTHING))), LOG_ORIGIN)
        await Registrar(database, identity, actor="registrar@example.org").register(BANK_A.new_key())
        knowledge = await load_knowledge(database, identity)
        store = ModelStore(tmp_path / "models")
        yield Installation(dsn, tmp_path / "none", database, identity, knowledge, engine, store)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_killed_vault_is_waited_for_and_nothing_is_lost(over_vault: Installation, vault: OpenBao) -> None:
    platform, health = over_vault, Health()
    await open_index_keys(platform.identity, platform.knowledge)
    key = platform.identity.new_worker()
    async with platform.database.session() as connection:
        await keys.register_worker(connection, key.worker_id, key.public_key, key.certificate)
    parts = IntakeParts(
        platform.database,
        platform.identity,
        platform.knowledge,
        key,
        platform.engine,
        group=GROUP,
        cluster=CLUSTER,
        tier_key_ttl=TTL,
        health=health,
    )
    inbox, committed = Inbox("transactions"), 0

    async def work() -> None:
        nonlocal committed
        while True:
            BANK_A.put(inbox, transaction(f"t{len(inbox.records)}"))
            assert await parts.committer.submit(await parts.pipeline.run(inbox.take(1)))
            committed += 1
            await asyncio.sleep(0.02)

    def state(part: str) -> State | None:
        found = health.parts().get(part)
        return found.state if found is not None else None

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(beside(parts.committer.run(), COMMITS))
        await stack.enter_async_context(beside(keep_current(platform.database, parts, health), KEYS))
        await stack.enter_async_context(beside(work(), "work"))
        await until(lambda: committed >= 5)
        vault.stop()
        at_kill = committed
        await until(lambda: committed >= at_kill + 5)  # its keys may still be used
        await until(lambda: state(COMMITS) is State.WAITING)
        assert state(KEYS) is State.WAITING
        assert health.alive
        assert not health.ready
        assert "key provider" in (health.parts()[KEYS].why or "")
        stopped = committed
        stored = await platform.one("SELECT count(*) FROM results")
        await asyncio.sleep(1)
        assert committed == stopped
        assert await platform.one("SELECT count(*) FROM results") == stored
        await asyncio.to_thread(vault.start)
        await until(lambda: committed >= stopped + 5)
        assert state(COMMITS) is State.WORKING
        assert state(KEYS) is State.WORKING
    assert await platform.one("SELECT count(*) FROM dead_letters") == 0
    assert await platform.one("SELECT count(*) FROM results") >= committed
    # Neither is a term or a commitment other than before: all of it verifies and opens.
    await platform.sequence()
    given = {name.removeprefix("SEALSTREAM_").lower(): value for name, value in vault.settings().items()}
    report = await audit(load_settings(database_url=platform.dsn, log_origin=LOG_ORIGIN, **given), patience=0)
    assert report.ok, [str(finding) for finding in report.findings]


async def test_starting_without_the_vault_is_an_outage(over_vault: Installation, vault: OpenBao) -> None:
    vault.stop()
    identity = Identity(OpenBaoKeyring(vault.client()), LOG_ORIGIN)
    with pytest.raises(Unavailable, match="does not answer"):
        await load_knowledge(over_vault.database, identity)
    vault.start()
    assert (await load_knowledge(over_vault.database, identity)).tier_keys.held()
