"""`sealstream dead-letters replay` as an operator uses it, and killed in the middle."""

import json
import signal
from pathlib import Path

import asyncpg
import pytest

from schemas.reasons import Reason
from tests.support.databases import connected
from tests.support.installation import Installation, Producer, Worker
from tests.support.messages import Inbox, transaction
from tests.support.processes import PATIENCE, WatchedCommand, sealstream

LATE = Producer("bank-late")


def settings_of(platform: Installation) -> dict[str, str]:
    return {
        "SEALSTREAM_DATABASE_URL": platform.dsn,
        "SEALSTREAM_KEYRING_DIR": str(platform.keyring_dir),
        "SEALSTREAM_DATA_DIR": str(platform.keyring_dir.parent),
    }


@pytest.fixture
async def refused(platform: Installation, worker: Worker) -> Installation:
    """Two messages of a key that was registered a moment too late, and one that is nobody's."""
    inbox = Inbox()
    LATE.put(inbox, transaction("t1"), transaction("t2"))
    inbox.put_raw([("ce_id", b"x")], b"nothing")
    await worker.commit(inbox.take())
    await platform.sequence()
    await platform.registrar().register(LATE.new_key())
    return platform


async def names(platform: Installation, reason: Reason) -> list[str]:
    rows = await platform.rows(
        "SELECT dead_letter_id FROM dead_letters WHERE reason = $1 ORDER BY kafka_offset", reason.value
    )
    return [str(row["dead_letter_id"]) for row in rows]


async def test_dead_letters_are_replayed_by_id_and_by_reason(refused: Installation, tmp_path: Path) -> None:
    def run(*words: str) -> tuple[int, list[dict[str, object]], str]:
        done = sealstream("dead-letters", *words, "--json", settings=settings_of(refused), directory=tmp_path)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    first, second = await names(refused, Reason.UNKNOWN_KEY)
    (bad,) = await names(refused, Reason.MALFORMED)
    code, answers, talk = run("replay", first)
    assert (code, talk, [each["outcome"] for each in answers]) == (0, "", ["booked"])
    code, answers, talk = run("replay", first, bad)
    assert (code, [(each["dead_letter"], each["reason"]) for each in answers]) == (1, [(bad, "malformed")])
    assert talk == f"sealstream: dead letter {first} was replayed before, as booked; it is not taken in twice\n"
    code, answers, talk = run("replay", "--reason", "unknown_key")
    assert (code, talk, [each["dead_letter"] for each in answers]) == (0, "", [second])
    assert run("replay", "--reason", "unknown_key") == (0, [], "")
    _, listed, _ = run("list")
    assert {str(each["dead_letter"]): each["replayed"] for each in listed} == {
        first: "booked", second: "booked", bad: "malformed"
    }  # fmt: skip
    await refused.sequence()
    report = await refused.audit()
    assert report.ok, [str(finding) for finding in report.findings]


@pytest.mark.parametrize("words", [[], ["--reason", "malformed", "00000000-0000-0000-0000-000000000001"]])
def test_either_ids_or_a_reason_are_needed(words: list[str], tmp_path: Path) -> None:
    done = sealstream("dead-letters", "replay", *words, settings={}, directory=tmp_path)
    assert done.returncode == 2
    assert "give ids of dead letters, or --reason" in done.stderr


async def test_a_replay_that_is_killed_in_its_commit_leaves_nothing_and_can_be_repeated(
    refused: Installation, tmp_path: Path
) -> None:
    command = ["dead-letters", "replay", "--reason", "unknown_key", "--json"]
    async with connected(refused.dsn) as blocker, connected(refused.dsn) as watcher:
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE bundles IN EXCLUSIVE MODE")
            with WatchedCommand(command, settings_of(refused), tmp_path) as replay:
                await _until_it_waits(watcher)
                replay.send(signal.SIGKILL)
                assert replay.wait() == -signal.SIGKILL
                assert replay.output == ""
        assert await watcher.fetchval("SELECT count(*) FROM replays") == 0
    assert await refused.one("SELECT count(*) FROM results") == 0
    done = sealstream(*command, settings=settings_of(refused), directory=tmp_path)
    assert [json.loads(line)["outcome"] for line in done.stdout.splitlines()] == ["booked", "booked"], done.stderr
    await refused.sequence()
    report = await refused.audit()
    assert report.ok, [str(finding) for finding in report.findings]
    assert await refused.one("SELECT count(*) FROM results") == 2


async def _until_it_waits(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    for _ in range(int(PATIENCE / 0.05)):
        waiting = await connection.fetchval(
            """
            SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                AND application_name LIKE '%replay%'
            """
        )
        if waiting:
            return
        await connection.execute("SELECT pg_sleep(0.05)")
    raise AssertionError("the replay never came to its commit")
