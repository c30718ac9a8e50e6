"""Progress on real Kafka: what a stored position is compared with, what is refused, and the way out."""

import asyncio
import json
import signal
import sys
import uuid
from pathlib import Path

import pytest
import structlog.testing
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from agents.intake.continuity import Why
from deploy.kafka import KafkaBroker
from schemas.errors import ConfigurationError
from sealstream.cli.app import app
from sealstream.running.topic_progress import resume, show_progress
from sealstream.settings import Settings, load_settings
from streams.storage.watermarks import Mark, StoredPosition, WatermarkStep, read_positions
from tests.streams.batch_bytes import HOSTILE, batch
from tests.streams.frame_cluster import Cluster
from tests.support.commits import request
from tests.support.installation import Installation
from tests.support.kafka_intake import PATIENCE_SECONDS, Feed, intake, until
from tests.support.messages import transaction
from tests.support.processes import ROOT, environment


@pytest.fixture
async def feed(kafka_broker: KafkaBroker) -> Feed:
    return Feed(kafka_broker)


def settings(platform: Installation, feed: Feed) -> Settings:
    return load_settings(
        database_url=SecretStr(platform.dsn),
        keyring_dir=platform.keyring_dir,
        kafka_bootstrap=feed.bootstrap,
        group=feed.group,
        topics_in=(feed.topic,),
    )


async def stored(platform: Installation, feed: Feed, partition: int = 0) -> StoredPosition:
    async with platform.database.session() as connection:
        found = await read_positions(connection, feed.group, feed.kafka.cluster_id, [feed.tp(partition)])
    return found[feed.tp(partition)]


def stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def records(platform: Installation) -> int:
    return int(await platform.one("SELECT count(*) FROM results"))


async def audited(platform: Installation) -> None:
    await platform.sequence()
    report = await platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]


async def test_a_position_is_stored_with_what_identifies_its_log_and_read_on_from_there(
    platform: Installation, feed: Feed, tmp_path: Path
) -> None:
    await feed.create()
    await feed.put(*(transaction(f"t{n}") for n in range(3)), transactional=feed.topic)
    async with intake(platform, feed, tmp_path) as worker:
        await worker.stands_at(4)  # the transaction's marker is at 3
    first = await stored(platform, feed)
    assert isinstance(first.mark.topic_id, uuid.UUID)
    assert (first.mark.leader_epoch, first.mark.last_offset, len(first.mark.last_digest or b"")) == (0, 2, 16)

    await feed.put(transaction("t3"))
    async with intake(platform, feed, tmp_path) as worker:
        await worker.stands_at(5)
        assert worker.progress.refusals == {}
    assert (await stored(platform, feed)).mark[:3] == (first.mark.topic_id, 0, 4)
    assert await records(platform) == 4
    await audited(platform)


@pytest.mark.parametrize(
    "refill",
    [
        pytest.param(0, id="empty"),
        pytest.param(2, id="filled-up-to-before"),
        pytest.param(5, id="filled-past-the-position"),
    ],
)
@pytest.mark.parametrize("stopped", [pytest.param(True, id="while-stopped"), pytest.param(False, id="while-running")])
async def test_a_recreated_topic_is_refused_until_somebody_says_where_to_read_on(
    platform: Installation, feed: Feed, tmp_path: Path, refill: int, stopped: bool
) -> None:
    await feed.create(2)
    await feed.put(*(transaction(f"t{n}") for n in range(3)))
    async with intake(platform, feed, tmp_path) as worker:
        await worker.stands_at(3)
        await feed.recreate(2)
        if not stopped:
            await feed.put(*(transaction(f"t{n}") for n in range(refill)))
            await until(lambda: feed.tp() in worker.progress.refusals)
    if stopped:
        await feed.put(*(transaction(f"t{n}") for n in range(refill)))
    with structlog.testing.capture_logs() as logs:
        async with intake(platform, feed, tmp_path) as worker:
            refusal = worker.progress.refusals[feed.tp()]
            assert refusal.why is Why.RECREATED
            assert [log["what"] for log in logs if log["event"] == "intake.partition_refused"] == [str(refusal)]
            # The other partition was never read: there is nothing to contradict, and it goes on meanwhile.
            await feed.put(transaction("other"), partition=1)
            await worker.stands_at(1, partition=1)

            (first, second) = await show_progress(settings(platform, feed), [])
            assert (str(first.refusal), second.refusal) == (str(refusal), None)

            moved = await resume(settings(platform, feed), feed.topic, 0, "beginning", "deleted by mistake")
            assert moved == ((3 if stopped or refill < 5 else moved[0]), 0)
            await feed.put(transaction("new"))
            await worker.stands_at(refill + 1)
            assert worker.progress.refusals == {}
    assert await records(platform) == max(3, refill) + 2
    await audited(platform)


async def test_a_topic_whose_unread_records_expired_is_refused(
    platform: Installation, feed: Feed, tmp_path: Path
) -> None:
    await feed.create()
    await feed.put(transaction("t0"))
    async with intake(platform, feed, tmp_path) as worker:
        await worker.stands_at(1)
    await feed.put(*(transaction(f"t{n}") for n in range(1, 5)))
    await feed.expire(1)
    async with intake(platform, feed, tmp_path) as worker:  # what was read may expire
        await worker.stands_at(5)
    await feed.put(transaction("t5"), transaction("t6"))
    await feed.expire(6)
    async with intake(platform, feed, tmp_path) as worker:
        assert worker.progress.refusals[feed.tp()].why is Why.EXPIRED
        assert await resume(settings(platform, feed), feed.topic, 0, "6", "t5 is lost, known to the bank") == (5, 6)
        await worker.stands_at(7)
    assert await records(platform) == 6
    await audited(platform)


@pytest.mark.parametrize(
    ("end", "mark", "why"),
    [
        pytest.param(9, Mark(), Why.TRUNCATED, id="truncated"),
        pytest.param(2, Mark(last_offset=1, last_digest=b"of another record"), Why.REWRITTEN, id="rewritten"),
        pytest.param(2, Mark(last_offset=7, last_digest=b"of another record"), None, id="record-not-there"),
        pytest.param(2, Mark(), None, id="step-of-the-first-version"),
    ],
)
async def test_a_log_that_is_another_than_the_step_says(
    platform: Installation, feed: Feed, tmp_path: Path, end: int, mark: Mark, why: Why | None
) -> None:
    await feed.create()
    await feed.put(*(transaction(f"t{n}") for n in range(3)))
    worker = await platform.worker(cluster=feed.kafka.cluster_id, group=feed.group)
    store = worker.parts.committer._store
    await store.commit(request(1, [WatermarkStep(feed.topic, 0, 0, end, True, mark)]))
    async with intake(platform, feed, tmp_path) as running:
        if why is None:
            await running.stands_at(3)
        else:
            assert running.progress.refusals[feed.tp()].why is why


async def test_the_commands_show_a_refused_partition_and_move_it(
    platform: Installation, feed: Feed, tmp_path: Path
) -> None:
    await feed.create(2)
    await feed.put(transaction("t0"))
    worker = await platform.worker(cluster=feed.kafka.cluster_id, group=feed.group)
    store = worker.parts.committer._store
    await store.commit(request(1, [WatermarkStep(feed.topic, 0, 0, 9, True, Mark())]))
    configured = {
        "SEALSTREAM_DATABASE_URL": platform.dsn,
        "SEALSTREAM_KEYRING_DIR": str(platform.keyring_dir),
        "SEALSTREAM_KAFKA_BOOTSTRAP": feed.bootstrap,
        "SEALSTREAM_GROUP": feed.group,
        "SEALSTREAM_TOPICS_IN": json.dumps([feed.topic]),
    }

    async def command(*arguments: str) -> Result:
        # In a thread, because commands run a loop of their own.
        return await asyncio.to_thread(CliRunner().invoke, app, ["topics", *arguments], env=configured)

    shown = await command("progress", "--json")
    states = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [(each["state"], each["position"], each["held_to"]) for each in states] == [
        ("truncated", 9, 1),
        ("not read yet", None, 0),
    ]
    assert shown.exit_code == 1
    assert f"sealstream topics resume {feed.topic} --partition 0 --at" in shown.stderr

    way_out = ("resume", feed.topic, "--partition", "0", "--at")
    refused = await command(*way_out, "5", "--reason", "a try")
    assert isinstance(refused.exception, ConfigurationError)
    assert "an offset from 0 to 1" in str(refused.exception)
    moved = await command(*way_out, "beginning", "--reason", "restored from a backup", "--json")
    assert json.loads(moved.stdout) == {"topic": feed.topic, "partition": 0, "before": 9, "position": 0}
    assert (await command("progress")).exit_code == 0


async def test_a_worker_that_lost_its_partition_and_commits_late_is_fenced(
    platform: Installation, feed: Feed, tmp_path: Path
) -> None:
    await feed.create()
    await feed.put(*(transaction(f"t{n}") for n in range(3)))
    arguments = (platform.dsn, str(platform.keyring_dir), feed.bootstrap, feed.kafka.cluster_id, feed.topic)
    zombie = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.zombie", *arguments, str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=environment({}),
    )
    assert zombie.stdout is not None
    try:
        await until(lambda: stopped(zombie.pid))
        assert await records(platform) == 0
        async with intake(platform, feed, tmp_path) as worker:  # once the zombie's session is over
            await worker.stands_at(3)
            zombie.send_signal(signal.SIGCONT)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while b"committed" not in (told := await zombie.stdout.readline()) and told:
                    pass  # its log
            assert told == b"0 committed: False\n"
            await feed.put(transaction("t3"))
            await worker.stands_at(4)
    finally:
        zombie.kill()
        await zombie.wait()
    assert await records(platform) == 4
    assert [leaf["kind"] for leaf in await platform.leaves()] == ["result"] * 4
    await audited(platform)


async def test_batches_that_nobody_can_unpack_are_rejected_by_their_range(
    platform: Installation, feed: Feed, tmp_path: Path
) -> None:
    await feed.create()
    await feed.put(transaction("t0"))
    ours = Cluster(feed.bootstrap)
    await ours.produce_batch(feed.topic, batch(0, [bytes(3 << 20)] * 3, compression="zstd"))
    await feed.put(transaction("t1"))
    await ours.produce_batch(feed.topic, batch(0, [b"unsigned", b"", b""], headers=[[], HOSTILE]))
    await feed.put(transaction("t2"))
    async with intake(platform, feed, tmp_path, max_batch_bytes=1 << 20) as worker:
        await worker.stands_at(9)
    rejected = [leaf for leaf in await platform.leaves("platform") if "span" in leaf]
    assert [(leaf["reason"], leaf["span"], leaf["count"]) for leaf in rejected] == [
        ("oversized", {"from": 1, "partition": 0, "to": 4, "topic": feed.topic}, 3),
        ("malformed", {"from": 6, "partition": 0, "to": 8, "topic": feed.topic}, 2),
    ]
    letters = await platform.rows("SELECT reason, detail, kafka_offset FROM dead_letters ORDER BY kafka_offset")
    assert [(row["reason"], row["kafka_offset"]) for row in letters] == [
        ("oversized", 1),
        ("malformed", 5),
        ("malformed", 6),
    ]
    assert letters[0]["detail"].endswith("offsets 1 to 3 are passed over")
    assert await records(platform) == 3
    await audited(platform)

    reader = await platform.reader(tier=5)
    (letter,) = [each for each in await reader.dead_letters() if each.reason == "oversized"]
    view = await reader.show_dead_letter(letter.dead_letter_id)
    assert view is not None
    assert view.headers is not None
    assert dict(view.headers)["batch-offsets"] == "1-3"
