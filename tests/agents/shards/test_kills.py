"""A process that is killed while a shard is closed, or the next one opened, leaves a log that goes on, whole."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents.audit import Depth
from agents.inference.engine import Engine
from schemas.errors import ConfigurationError
from tests.support.databases import Databases
from tests.support.installation import Installation, installed
from tests.support.messages import Inbox
from tests.support.shard_killer import CLOSING, SEQUENCING, killed_at
from tests.support.shards import close, shards_of, take_in


@pytest.fixture
async def platform(databases: Databases, engine: Engine, tmp_path: Path) -> AsyncIterator[Installation]:
    async with databases.fresh() as dsn, installed(dsn, tmp_path / "keys", engine=engine) as platform:
        yield platform


async def verified(platform: Installation) -> list[str]:
    """The kinds of the bank's leaves, once they have their places and every depth of an audit finds nothing."""
    await platform.sequence()
    for depth in Depth:
        report = await platform.audit(depth=depth)
        assert report.ok, [str(finding) for finding in report.findings]
    return [leaf["kind"] for leaf in await platform.leaves("bank-a") if leaf["kind"] != "key"]


async def test_a_sequencer_killed_at_any_point_of_a_change_of_shards_is_gone_on_from(platform: Installation) -> None:
    inbox, expected = Inbox(), []
    for n, point in enumerate(SEQUENCING):
        await take_in(platform, inbox, f"{n}-a")
        await platform.sequence()
        await close(platform)
        await take_in(platform, inbox, f"{n}-b")
        assert await killed_at(platform.settings, point) == -signal.SIGKILL, point
        expected += ["result", "close", "result", "open"]
        assert sorted(await verified(platform)) == sorted(expected), point
        assert [row.shard for row in await shards_of(platform)] == list(range(n + 2))


async def test_a_closing_that_is_killed_happened_wholly_or_not_at_all(platform: Installation) -> None:
    await take_in(platform, Inbox(), "a")
    for point, shards in zip(CLOSING, (1, 2), strict=True):
        assert await killed_at(platform.settings, point) == -signal.SIGKILL, point
        if point == "closed":
            with pytest.raises(ConfigurationError, match="being closed already"):
                await close(platform)
        kinds = await verified(platform)
        assert kinds.count("close") == kinds.count("open") == shards - 1
        assert len(await shards_of(platform)) == shards
