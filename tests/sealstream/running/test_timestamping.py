"""Checkpoints timestamped by a real `openssl ts` authority over HTTP, kept, checked, and read by openssl itself."""

import asyncio
import datetime as dt
import json
import subprocess
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from agents.log.attestor import LONGEST_PAUSE
from agents.log.timestamping import Timestamping
from sealstream.attestor_client import HttpAuthority
from sealstream.audit.auditing import audit
from sealstream.running.checkup import check_up
from sealstream.settings import Settings
from sealstream.wiring import timestamp_authorities
from security.timestamp import load_authorities, request_timestamp
from tests.sealstream.audit.test_log_cli import settings_of
from tests.support.grown_log import TENANT, grow
from tests.support.installation import Installation, Worker
from tests.support.messages import Inbox
from tests.support.processes import sealstream
from tests.support.timestamp_authority import DAY, Authority

EVERY = 600.0
STORED = "SELECT count(*) FROM timestamps"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("tsa") / "good")


@pytest.fixture
def authority(made: Authority) -> Authority:
    """One that nobody has asked yet."""
    return Authority(made.directory, made.swap)


def configured(platform: Installation, authority: Authority, url: str = "http://127.0.0.1:1/") -> Settings:
    return platform.settings.model_copy(
        update={
            "timestamp_url": url,
            "timestamp_ca_file": authority.ca_file,
            "timestamp_every": dt.timedelta(seconds=EVERY),
        }
    )


class Asker:
    """Rounds at times of the test's choice."""

    def __init__(self, platform: Installation, authority: Authority, session: aiohttp.ClientSession, url: str) -> None:
        self.at = 0.0
        self.asking = Timestamping(
            platform.database,
            HttpAuthority(session, url),
            load_authorities(authority.ca_file),
            every=EVERY,
            clock=lambda: self.at,
            chance=lambda: 1.0,
        )

    async def round(self, at: float = 0.0) -> float:
        self.at = at
        return await self.asking.round()


async def test_the_newest_checkpoint_is_stamped_once_and_openssl_reads_it(
    platform: Installation, worker: Worker, authority: Authority, tmp_path: Path
) -> None:
    inbox = Inbox()
    await grow(platform, worker, inbox, 3)
    async with aiohttp.ClientSession() as session, authority.serving() as url:
        asker = Asker(platform, authority, session, url)
        logs = await platform.one("SELECT count(DISTINCT log_id) FROM checkpoints")
        assert await asker.round() == EVERY
        assert await asker.round() == EVERY
        assert await platform.one(STORED) == authority.asked == logs
        await grow(platform, worker, inbox, 5)
        await asker.round()
        assert authority.asked == logs + 1
    report = await audit(configured(platform, authority), patience=0)
    assert report.findings == []
    assert {each.tenant: each.timestamps for each in report.logs}[TENANT] == 2
    unchecked = await audit(platform.settings, patience=0)
    assert {each.tenant: each.timestamps_unchecked for each in unchecked.logs}[TENANT] == 2
    done = sealstream("audit", "checkpoint", "--json", settings=settings_of(platform), directory=tmp_path)
    assert done.returncode == 0, done.stderr
    told = next(each for each in map(json.loads, done.stdout.splitlines()) if each["origin"].endswith(TENANT))
    assert told["timestamp"]["size"] == told["size"] == 9
    assert abs(dt.datetime.fromisoformat(told["timestamp"]["time"]) - dt.datetime.now(dt.UTC)) < dt.timedelta(hours=1)
    (tmp_path / "note").write_text(told["timestamp"]["note"])
    (tmp_path / "answer.tsr").write_bytes(b64decode(told["timestamp"]["response"]))
    verified = await asyncio.to_thread(
        subprocess.run,
        ["openssl", "ts", "-verify", "-data", "note", "-in", "answer.tsr", "-CAfile", str(authority.ca_file)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Verification: OK" in verified.stdout + verified.stderr


async def test_an_authority_that_is_away_is_asked_again_with_growing_pauses(
    platform: Installation, worker: Worker, authority: Authority
) -> None:
    await grow(platform, worker, Inbox(), 3)
    async with aiohttp.ClientSession() as session:
        asker = Asker(platform, authority, session, "http://127.0.0.1:1/")
        assert [await asker.round(at) for at in (0, 5, 1_000)] == [1, 6, LONGEST_PAUSE]
        async with authority.serving() as url:
            authority.status = 503
            busy = Asker(platform, authority, session, url)
            assert await busy.round() == 1
            assert await platform.one(STORED) == 0
            authority.status = 200
            assert await busy.round(2_000) == EVERY
    assert await platform.one(STORED) > 0


def replayed(authority: Authority) -> Callable[[bytes], bytes]:
    """An answer to another request about another note."""
    old = authority.reply(request_timestamp(b"another").body)
    return lambda _: old


@pytest.mark.parametrize(
    ("change", "status"),
    [
        pytest.param(lambda _: lambda answer: b"", 200, id="nothing"),
        pytest.param(lambda _: lambda answer: b"<html>", 200, id="no answer"),
        pytest.param(lambda _: lambda answer: answer[:-3], 200, id="cut off"),
        pytest.param(lambda _: lambda answer: answer[:-3] + b"abc", 200, id="signature changed"),
        pytest.param(replayed, 200, id="replayed"),
        pytest.param(lambda _: lambda answer: answer, 404, id="not found"),
    ],
)
async def test_an_answer_that_proves_nothing_is_not_kept(
    platform: Installation,
    worker: Worker,
    authority: Authority,
    change: Callable[[Authority], Callable[[bytes], bytes]],
    status: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await grow(platform, worker, Inbox(), 3)
    authority.change, authority.status = change(authority), status
    async with aiohttp.ClientSession() as session, authority.serving() as url:
        assert await Asker(platform, authority, session, url).round() == LONGEST_PAUSE
    assert await platform.one(STORED) == 0
    assert "timestamp.refused" in capsys.readouterr().out


async def test_a_signer_whose_certificate_is_over_is_not_believed(
    platform: Installation, worker: Worker, tmp_path: Path
) -> None:
    await grow(platform, worker, Inbox(), 3)
    expired = Authority.create(tmp_path / "expired", age=2 * DAY)
    async with aiohttp.ClientSession() as session, expired.serving() as url:
        await Asker(platform, expired, session, url).round()
    assert await platform.one(STORED) == 0


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        pytest.param("UPDATE timestamps SET size = size - 1", "no such checkpoint", id="another size"),
        pytest.param(
            "UPDATE timestamps SET stamped_at = stamped_at - interval '1 day'", "another time", id="backdated"
        ),
        pytest.param(
            "UPDATE timestamps t SET response = (SELECT response FROM timestamps s WHERE s.log_id = t.log_id "
            "AND s.size <> t.size) WHERE size > 5",
            "does not verify",
            id="of another checkpoint",
        ),
        pytest.param("UPDATE timestamps SET response = ''", "no timestamp", id="emptied"),
        pytest.param("UPDATE timestamps SET log_id = 77", "rows of timestamps belong to it", id="of no log"),
    ],
)
async def test_a_changed_timestamp_is_found(
    platform: Installation, worker: Worker, authority: Authority, damage: str, what: str
) -> None:
    inbox = Inbox()
    async with aiohttp.ClientSession() as session, authority.serving() as url:
        asker = Asker(platform, authority, session, url)
        for _ in range(2):
            await grow(platform, worker, inbox, 4)
            await asker.round()
    await platform.execute(damage)
    report = await audit(configured(platform, authority), patience=0)
    assert what in " ".join(map(str, report.findings))


async def test_doctor_names_the_logs_whose_timestamps_are_late(
    platform: Installation, worker: Worker, authority: Authority
) -> None:
    await grow(platform, worker, Inbox(), 3)

    async def told() -> list[tuple[str, bool]]:
        checks = await check_up(configured(platform, authority))
        return [(check.name, check.ok) for check in checks if check.name.startswith("timestamps")]

    assert await told() == [("timestamps", True)]
    await platform.execute("UPDATE checkpoints SET created_at = created_at - interval '1 hour'")
    late = await told()
    assert {ok for _, ok in late} == {False}
    assert any(name.endswith(TENANT) for name, _ in late)


def test_without_a_file_the_system_s_authorities_are_meant(platform: Installation) -> None:
    assert timestamp_authorities(platform.settings) == []
    assert timestamp_authorities(platform.settings.model_copy(update={"timestamp_url": "https://tsa.example/"}))
