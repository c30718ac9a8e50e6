"""Recovery of a log with several shards, and of one whose leaves can't be brought back."""

import asyncio
from collections import Counter

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from agents.audit import Depth
from agents.recovering.log_recovery import AnotherHistory
from sealstream.audit.recovery import Successor, recover
from sealstream.wiring import notice_topics, published_positions
from tests.sealstream.audit.test_recovery import (
    World,
    is_refused,
    kafka,
    newest_note,
    stored,
    work_and_lose,
    world,
)
from tests.support.installation import Installation
from tests.support.processes import sealstream
from tests.support.shards import close

__all__ = ["kafka", "world"]


async def lose_with_shards(world: World) -> Counter[tuple[str, ...]]:
    """As `work_and_lose`; the log goes on in another shard after the copy was made."""
    async with world.up() as platform:
        world.feed(0)
        await world.process(platform)
        await platform.sequence()
        await world.relay(platform)
    await world.copy()
    async with world.up() as platform:
        world.feed(1)
        await world.process(platform)
        await close(platform)
        await platform.sequence()
        world.feed(2)
        await world.process(platform)
        await platform.sequence()
        await world.relay(platform)
        counted = await world.counted()
        assert (await platform.audit()).ok
    await world.restore()
    return counted


async def test_a_closing_that_the_backup_lacks_is_brought_back_with_the_shards_around_it(world: World) -> None:
    counted = await lose_with_shards(world)
    async with world.up() as platform:
        await is_refused(world, platform)
        await recover(world.settings(platform))
        await platform.sequence()
        report = await platform.audit()
        assert report.ok, [str(finding) for finding in report.findings]
        await world.process(platform)
        await platform.sequence()
        await world.relay(platform)
        assert await world.counted() == counted
        assert await platform.one("SELECT count(*) FROM recovered_leaves") == 0
        report = await platform.audit()
        assert report.ok, [str(finding) for finding in report.findings]


async def empty(world: World, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=world.kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(-1)})
    finally:
        await admin.close()


async def test_a_log_whose_leaves_are_gone_goes_on_in_a_declared_successor(world: World) -> None:
    lost = await work_and_lose(world)
    await empty(world, notice_topics("bank-a").audit)
    async with world.up() as platform:
        settings, origin = world.settings(platform), platform.identity.origin("bank-a")
        published = (await published_positions(settings))[origin]
        await is_refused(world, platform)
        ended = await asyncio.to_thread(
            sealstream, "audit", "recover", "--successor", "--actor", "operator@example.org", "--json",
            settings=world.environment(platform), directory=world.directory,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        (told,) = [each for each in map(msgspec.json.decode, ended.stdout.splitlines()) if each["log"] == origin]
        assert (told["recovered"], told["goes_on_as"]) == (0, f"{origin}/1")
        assert told["lost"] == published.position - told["leaves_before"] > 0
        # Intake resumes; the records behind the watermarks are processed again, and nothing of them is refused.
        await world.process(platform)
        await platform.sequence()
        await world.relay(platform)
        assert await stored(platform) == lost.stored
        report = await platform.audit()
        assert report.ok, [str(finding) for finding in report.findings]
        assert {log.origin: log.lost for log in report.logs if log.lost} == {origin: told["lost"]}
        (first,) = [leaf for leaf in await world.published("bank-a") if leaf["kind"] == "open"]
        assert first["log"]["note"] == published.checkpoint
        assert first["log"]["size"] == published.position
        assert "actor" in first
        # Who has the old checkpoint finds it declared; the old shard never grows again.
        assert (await published_positions(settings))[origin].position == published.position
        assert [each.recovered for each in await recover(settings)] == [0, 0, 0, 0]
        await platform.execute("UPDATE shards SET lost = lost - 1")
        assert not (await platform.audit(depth=Depth.TREE)).ok


async def test_a_successor_is_declared_only_where_leaves_are_gone_or_somebody_insists(world: World) -> None:
    await work_and_lose(world)
    async with world.up() as platform:
        done = await recover(world.settings(platform), successor=Successor())
        assert [each.successor for each in done] == [None, None, None]
        assert max(each.recovered for each in done) > 0
    await world.restore()
    async with world.up() as platform:
        done = await recover(world.settings(platform), successor=Successor(even_if_whole=True))
        assert all(each.successor == f"{each.origin}/1" for each in done if each.lost)
        assert any(each.lost for each in done)
        await platform.sequence()
        assert (await platform.audit()).ok


async def test_a_checkpoint_beyond_what_was_published_is_declared_lost_and_the_log_goes_on(world: World) -> None:
    async with world.up() as platform:
        world.feed(0)
        await world.process(platform)
        await platform.sequence()
        await world.relay(platform)
    await world.copy()
    async with world.up() as platform:
        world.feed(1)
        await world.process(platform)
        await platform.sequence()
        kept = await newest_note(platform, "bank-a")  # somebody has it, and the relay had not come so far
    await world.restore()
    async with world.up() as platform:
        settings, origin = world.settings(platform), platform.identity.origin("bank-a")
        with pytest.raises(AnotherHistory, match=origin):
            await recover(settings, [kept])
        done = {each.origin: each for each in await recover(settings, [kept], Successor())}
        assert done[origin].successor == f"{origin}/1"
        assert done[origin].lost > 0
        await world.process(platform)
        await platform.sequence()
        await world.relay(platform)
        report = await platform.audit()
        assert report.ok, [str(finding) for finding in report.findings]
        assert (await published_positions(settings))[f"{origin}/1"].position == await size_of(platform)


async def size_of(platform: Installation) -> int:
    return int(
        await platform.one(
            "SELECT max(p.first_index + p.leaf_count) - max(s.start) FROM placements p JOIN shards s USING (log_id)"
        )
    )
