"""`sealstream audit tail` on a served log and on the database, as somebody who watches runs it."""

import json
import signal
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from agents.inference.engine import Engine
from agents.log.export import export_log
from agents.log.monitor import LogAlarm, Seen
from agents.log.tree import SignedTree
from schemas.errors import ConfigurationError, Unavailable
from sealstream.address import Address
from sealstream.audit.log_server import serving_logs
from sealstream.audit.monitoring import follow
from security.note import Signer, Verifier
from tests.sealstream.audit.test_log_cli import settings_of
from tests.support.databases import Databases
from tests.support.grown_log import TENANT, grow, log_row
from tests.support.installation import Installation, Worker, installed
from tests.support.messages import Inbox
from tests.support.processes import WatchedCommand, sealstream

ANYWHERE = Address("127.0.0.1", 0)


@pytest.fixture
async def platform_with_leaves(platform: Installation, worker: Worker) -> Installation:
    await grow(platform, worker, Inbox(), 3)
    return platform


@asynccontextmanager
async def folder_served(folder: Path) -> AsyncIterator[str]:
    """A web server that knows nothing of logs."""
    app = web.Application()
    app.add_routes([web.static("/", folder)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def key_of(platform: Installation) -> Verifier:
    return platform.identity.log_signer(TENANT).verifier


async def look(url: str, key: Verifier, state: Path) -> list[int]:
    """Look once; returns the sizes that were new."""
    sizes: list[int] = []

    def seen(found: Seen) -> None:
        sizes.append(found.checkpoint.size)

    await follow(url, [key], state, once=True, seen=seen, waiting=lambda why: None)
    return sizes


async def test_a_served_log_is_followed_over_the_state_file(
    platform: Installation, worker: Worker, tmp_path: Path
) -> None:
    inbox, state = Inbox(), tmp_path / "state"
    await grow(platform, worker, inbox, 3)
    async with serving_logs(platform.database, ANYWHERE) as at:
        url = f"{at.url}/{TENANT}"
        assert await look(url, key_of(platform), state) == [4]
        assert await look(url, key_of(platform), state) == []
        await grow(platform, worker, inbox, 300)
        assert await look(f"{url}/", key_of(platform), state) == [304]
        assert stat.S_IMODE(state.stat().st_mode) == 0o600
        await platform.execute("UPDATE bundles SET body = overlay(body PLACING '\\x58' FROM 40)")
        with pytest.raises(Unavailable, match="answers 500"):
            await look(url, key_of(platform), tmp_path / "anew")


async def test_a_fork_and_a_rollback_of_a_served_log_are_noticed(
    platform: Installation, worker: Worker, tmp_path: Path, databases: Databases, keyring_dir: Path, engine: Engine
) -> None:
    state = tmp_path / "state"
    await grow(platform, worker, Inbox(), 20)
    async with serving_logs(platform.database, ANYWHERE) as at:
        await look(f"{at.url}/{TENANT}", key_of(platform), state)
    kept = state.read_bytes()
    async with databases.clean() as dsn, installed(dsn, keyring_dir, engine=engine) as other:
        inbox, stages = Inbox(), await other.worker()
        async with serving_logs(other.database, ANYWHERE) as at:
            for count, what in ((5, "had 21 leaves, and shows a checkpoint of 6"), (15, "two roots"), (300, ".")):
                await grow(other, stages, inbox, count)
                with pytest.raises(LogAlarm, match=what) as alarm:
                    await look(f"{at.url}/{TENANT}", key_of(platform), state)
                assert alarm.value.before == kept
                assert state.read_bytes() == kept


async def test_partial_tiles_that_are_gone_are_cut_from_full_ones(
    platform: Installation, worker: Worker, tmp_path: Path
) -> None:
    inbox, folder, state = Inbox(), tmp_path, tmp_path / "state"
    await grow(platform, worker, inbox, 100)

    async def export() -> None:
        async with platform.database.session() as connection:
            await export_log(await SignedTree.newest(connection, await log_row(connection)), folder / TENANT)

    async with folder_served(folder) as url:
        await export()
        assert await look(f"{url}/{TENANT}", key_of(platform), state) == [101]
        await grow(platform, worker, inbox, 300)
        await export()
        (folder / TENANT / "tile/0/000.p/101").unlink()
        assert await look(f"{url}/{TENANT}", key_of(platform), state) == [401]


def test_the_command_follows_says_what_it_waits_for_and_ends_with_the_evidence(
    platform_with_leaves: Installation, tmp_path: Path
) -> None:
    platform = platform_with_leaves
    key = key_of(platform).vkey
    words = ["audit", "tail", "--vkey", key, "--json"]
    done = sealstream(*words, "--follow", "local", "--once", settings=settings_of(platform), directory=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["size"] == 4
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Nobody serves there yet.
    watching = [*words, "--follow", f"http://127.0.0.1:{port}/{TENANT}", "--state", "state"]
    with WatchedCommand(watching, {}, tmp_path) as command:
        command.until_it_says("waiting: no answer")
        with WatchedCommand(["audit", "serve", "--listen", f"127.0.0.1:{port}"], settings_of(platform), tmp_path):
            command.until((tmp_path / "state").exists)
        command.send(signal.SIGTERM)
        assert command.wait() == 128 + signal.SIGTERM
    assert json.loads(command.output)["size"] == 4
    stranger = Signer(key_of(platform).name, bytes(32)).verifier.vkey
    alarmed = sealstream(
        *("audit", "tail", "--vkey", stranger, "--follow", "local", "--once"),
        settings=settings_of(platform),
        directory=tmp_path,
    )
    assert alarmed.returncode == 1
    assert alarmed.stdout.startswith("ALARM ")
    assert (tmp_path / "state").read_text() in alarmed.stdout


@pytest.mark.parametrize(
    ("change", "what"),
    [
        pytest.param(lambda path: path.write_text("x"), "holds no checkpoint of this log", id="no note"),
        pytest.param(lambda path: path.mkdir(), "can't read", id="a directory"),
    ],
)
async def test_a_state_that_is_none_is_not_begun_anew(
    platform: Installation, tmp_path: Path, change: Callable[[Path], object], what: str
) -> None:
    change(tmp_path / "state")
    with pytest.raises(ConfigurationError, match=what):
        await look("http://127.0.0.1:1", key_of(platform), tmp_path / "state")
