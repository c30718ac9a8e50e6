"""The platform under faults, on a cluster of three brokers: nothing is lost, nothing is doubled, the log proves it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.kafka import KafkaCluster
from streams.embedded import DataDirectory
from tests.faults.platform import FaultyPlatform, faulty_platform
from tests.faults.points import Deed, Faults, Point
from tests.faults.undisturbed import TOPIC
from tests.support.databases import Databases, connected

# Several frames of every partition.
MESSAGES = 100
FRAME_RECORDS = 20
RATE = 160.0


@pytest.fixture(scope="module")
async def standing(
    kafka_cluster: KafkaCluster, databases: Databases, keyring_dir: Path
) -> AsyncIterator[FaultyPlatform]:
    """One platform for all faults.

    Each of them compares the leaves that came with it, and verifies all trees. Their rows and labels, which nobody
    takes away again, are audited once, behind the last of them.
    """
    with DataDirectory() as directory:
        async with faulty_platform(
            directory, kafka_cluster, databases, keyring_dir, frame_records=FRAME_RECORDS
        ) as found:
            yield found
            if found.whole:
                await found.verify()


@pytest.fixture
async def platform(standing: FaultyPlatform) -> FaultyPlatform:
    """That platform, whole: a test leaves it so, or failed."""
    if not standing.whole:
        await standing.mend()
    return standing


async def test_undisturbed(platform: FaultyPlatform) -> None:
    await platform.feed(MESSAGES)
    await platform.settled()
    await platform.verify_leaves()


@pytest.mark.parametrize("point", list(Point))
async def test_a_worker_killed_in_a_commit(platform: FaultyPlatform, point: Point) -> None:
    restarts = platform.restarts
    platform.faults.arm(point, Deed.KILL)
    await platform.feed(MESSAGES)
    await platform.until_hit(point, Deed.KILL)
    await platform.until_restarted(restarts + 1)  # the others may be done with all of it before
    await platform.settled()
    await platform.verify_leaves()
    assert platform.restarts == restarts + 1, platform.last_words()


@pytest.mark.parametrize("point", [Point.BEFORE, Point.DURING, Point.COPYING])
async def test_a_worker_stopped_in_a_commit_and_continued_after_others_took_over(
    platform: FaultyPlatform, point: Point
) -> None:
    """It wakes up with a frame that others have committed and must not write it again."""
    restarts = platform.restarts
    platform.faults.arm(point, Deed.STOP)
    await platform.feed(MESSAGES)
    zombie = await platform.until_hit(point, Deed.STOP)
    await platform.settled()  # the server ends the stopped one's session, the group its membership
    os.kill(zombie, signal.SIGCONT)
    await platform.feed(MESSAGES)
    await platform.settled()
    await platform.verify_leaves()
    assert platform.restarts == restarts, platform.last_words()


@pytest.mark.parametrize("away", [0.0, 2.0], ids=["at-once", "after-a-while-of-refused-connections"])
async def test_the_database_killed_and_started_again(platform: FaultyPlatform, away: float) -> None:
    restarts = platform.restarts
    before = await platform.committed()
    feeding = platform.feed(MESSAGES, RATE)
    await platform.until_committed(before + MESSAGES // 4)
    await platform.postgres.kill()
    await asyncio.sleep(away)
    await platform.postgres.start()
    await feeding
    await platform.settled()
    await platform.verify_leaves()
    assert platform.restarts == restarts, platform.last_words()


async def test_the_database_stopped_for_longer_than_a_statement_may_take(platform: FaultyPlatform) -> None:
    restarts = platform.restarts
    before = await platform.committed()
    feeding = platform.feed(MESSAGES, RATE)
    await platform.until_committed(before + MESSAGES // 4)
    await platform.postgres.freeze(platform.settings.database_patience.total_seconds() + 2)
    await feeding
    await platform.settled()
    await platform.verify_leaves()
    assert platform.restarts == restarts, platform.last_words()


async def test_a_broker_killed_under_load_and_started_again(platform: FaultyPlatform) -> None:
    restarts = platform.restarts
    before = await platform.committed()
    feeding = platform.feed(MESSAGES, RATE)
    await platform.until_committed(before + MESSAGES // 4)
    leader = await platform.kafka.leader(TOPIC)
    await leader.kill()
    await feeding  # production goes on with the new leader
    await platform.settled()
    await leader.start()
    await platform.feed(MESSAGES)
    await platform.settled()
    await platform.verify_leaves()
    assert platform.restarts == restarts, platform.last_words()


async def test_all_brokers_restarted(platform: FaultyPlatform) -> None:
    restarts = platform.restarts
    before = await platform.committed()
    feeding = platform.feed(MESSAGES, RATE)
    await platform.until_committed(before + MESSAGES // 4)
    nodes = platform.kafka.nodes
    await asyncio.gather(*(node.kill() for node in nodes))
    await asyncio.gather(*(node.start() for node in nodes))
    await feeding
    await platform.settled()
    await platform.verify_leaves()
    assert platform.restarts == restarts, platform.last_words()


async def test_workers_that_come_and_go_under_load(platform: FaultyPlatform) -> None:
    """A rebalance storm: each change takes all partitions from everybody."""
    feeding = platform.feed(3 * MESSAGES, RATE)
    for round_ in range(2):
        await asyncio.gather(*(platform.start_worker(f"{name}{round_}", "intake") for name in "xy"))
        os.kill(platform.workers[f"x{round_}"].pid, signal.SIGKILL)
        await asyncio.gather(*(platform.stop_worker(f"{name}{round_}") for name in "xy"))
    await feeding
    await platform.settled()
    await platform.verify_leaves()


async def test_a_slow_disk_holds_up_the_feed_and_nothing_else(platform: FaultyPlatform) -> None:
    restarts = platform.restarts
    platform.faults.slow_down(1.0)
    before = await platform.committed()
    feeding = platform.feed(MESSAGES, RATE)
    await platform.until_committed(before + 1)
    platform.faults.speed_up()
    await feeding
    await platform.settled()
    await platform.verify_leaves()
    assert platform.restarts == restarts, platform.last_words()


async def test_a_worker_told_to_stop_commits_what_it_has_in_work(platform: FaultyPlatform) -> None:
    await platform.start_worker("leaving", "intake")
    log = platform.workers["leaving"].log
    platform.faults.slow_down(0.5)
    before = await platform.committed()
    feeding = platform.feed(MESSAGES, RATE)
    await platform.until_committed(before + 1)
    await platform.stop_worker("leaving")
    platform.faults.speed_up()
    for mishap in ("ended_at_once", "still_in_work", "Traceback"):
        assert mishap not in log.read_text(), platform.last_words()
    await feeding
    await platform.settled()
    await platform.verify_leaves()


async def test_a_slow_worker_and_a_full_partition_stall_nobody_else(platform: FaultyPlatform) -> None:
    slow = Faults(platform.faults.directory / "slow-worker")
    await platform.start_worker("slow", "intake", faults=slow)
    slow.slow_down(600)
    await platform.feed(MESSAGES, key=b"all in one partition")
    await platform.feed(MESSAGES // 4)
    ends = await platform.ends()

    async def others_are_done() -> bool:
        stored = await platform.positions()
        return sum(stored[place] == end for place, end in ends.items()) >= len(ends) - 2

    await platform.until(others_are_done, "the partitions of the other two workers")
    assert await platform.positions() != ends, "the slow one is still at it"
    slow.speed_up()
    # It would finish its 600 seconds; whoever is too slow can be ended at any time.
    os.kill(platform.workers["slow"].pid, signal.SIGKILL)
    await platform.stop_worker("slow")
    await platform.settled()
    await platform.verify_leaves()


async def test_old_and_new_workers_side_by_side_while_a_release_is_rolled_out(platform: FaultyPlatform) -> None:
    """A migration that only adds runs first, under load; then workers are replaced one by one, with keys of their own.

    The code is the same on both sides: what makes a release compatible is that each side works on a schema that is
    ahead of it, and that commits of both stand in one log.
    """
    feeding = platform.feed(2 * MESSAGES, RATE)
    async with connected(platform.settings.dsn or "") as connection:
        (current,) = await connection.fetchrow("SELECT version_num FROM alembic_version") or ()
        for table in ("messages", "results", "commits", "watermark_steps", "worker_keys"):
            await connection.execute(f"ALTER TABLE {table} ADD COLUMN of_the_next_release text")
        await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for old in ("a", "b", "log"):
        roles = ("sequence", "relay") if old == "log" else ("intake",)
        await platform.start_worker(f"new-{old}", *roles)
        await platform.stop_worker(old)
        if old != "b":
            continue
        await platform.start_worker(old, *roles)  # rolled back: the former release starts on the newer schema
        await platform.stop_worker(f"new-{old}")
    await feeding
    await platform.settled()
    async with connected(platform.settings.dsn or "") as connection:
        await connection.execute("UPDATE alembic_version SET version_num = $1", current)
    await platform.verify_leaves()
