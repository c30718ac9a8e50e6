"""A backup from before erasures and shredding is restored: what was erased and shredded stays so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from agents.inference.model_store import ModelStore
from agents.keys.custodian import Custodian, ScopeFilter
from agents.platform.identity import Identity
from agents.platform.knowledge import load_knowledge
from agents.upkeep.erasing import Eraser
from schemas.identity import message_record_id
from sealstream.audit.recovery import recover
from security.file_keyring import FileKeyring
from security.key_provider import KeyUnavailable
from streams.storage.database import Database
from streams.storage.record_uuid import record_uuid
from tests.sealstream.audit.test_recovery import World, kafka, world  # fixtures
from tests.support.installation import BANK_A, LOG_ORIGIN, Installation

__all__ = ["kafka", "world"]

SCOPE = ScopeFilter("bank-a", BANK_A.domain, 3)


def name_of(message: str) -> UUID:
    return record_uuid(message_record_id(BANK_A.source, message))


@asynccontextmanager
async def restored(world: World) -> AsyncIterator[Installation]:
    """The platform as a recovery finds it: tier keys that nobody opens any more."""
    async with Database(world.dsn, name="restored") as database:
        identity = Identity(FileKeyring(world.keyring), LOG_ORIGIN)
        unknown: Any = None
        yield Installation(
            world.dsn, world.keyring, database, identity, unknown, world.engine, ModelStore(world.keyring / "models")
        )


async def erase(platform: Installation, *names: UUID) -> None:
    knowledge = await load_knowledge(platform.database, platform.identity, max_tier=0)
    for name in names:
        await Eraser(platform.database, platform.identity, knowledge).erase(name, "on request")


async def content(platform: Installation, name: UUID) -> list[bool]:
    """Of each row about a record: whether anything of it is there."""
    rows = await platform.rows(
        """
        SELECT sealed IS NOT NULL AS there FROM results WHERE record_id = $1
        UNION ALL SELECT evidence IS NOT NULL FROM messages WHERE message_id = $1
        UNION ALL SELECT true FROM terms WHERE record_id = $1
        """,
        name,
    )
    return [row["there"] for row in rows]


async def test_what_was_erased_and_shredded_stays_so_after_a_restore(world: World) -> None:
    early, late = name_of("p0-2"), name_of("p1-2")
    async with world.up() as platform:
        world.feed(0)
        await world.process(platform)
        await platform.sequence()
        await world.relay(platform)
    await world.copy()
    async with world.up() as platform:
        world.feed(1)
        await world.process(platform)
        await erase(platform, early, late)
        await Custodian(platform.database, platform.identity).shred(SCOPE, 1)
        await platform.sequence()
        await world.relay(platform)
        report = await platform.audit()
        assert report.ok, [str(finding) for finding in report.findings]
    await world.restore()
    with pytest.raises(KeyUnavailable):
        async with world.up():
            pass
    async with restored(world) as platform:
        assert any(await content(platform, early))
        await recover(world.settings(platform))
        assert await content(platform, early) == [False, False]
        assert await platform.one("SELECT count(*) FROM erasures") == 2
    async with world.up() as platform:
        await world.process(platform)
        await platform.sequence()
        assert await content(platform, late) == [False, False]
        views = {view.stored.record_id: view for view in await (await platform.reader(5)).list(limit=100)}
        assert {field.state for field in views[late].fields.values()} == {"erased"}
        assert views[name_of("p0-3")].fields["amount"].state == "shredded"
        assert views[name_of("p1-3")].fields["amount"].state == "open"
        report = await platform.audit()
        assert report.ok, [str(finding) for finding in report.findings]
        assert sum(log.records_erased for log in report.logs) >= 2
