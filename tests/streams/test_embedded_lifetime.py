"""What becomes of the servers when the process that owns them ends; real owners, real signals."""

import asyncio
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

import streams
from streams.embedded import DataDirectory, EmbeddedPostgres
from streams.embedded.account import Account
from streams.embedded.directory import remove_abandoned

OWNER = """
import asyncio, json, os, signal, sys
from pathlib import Path
from streams.embedded import DataDirectory, EmbeddedBroker, EmbeddedPostgres

# Where the tests themselves run in the background, SIGINT arrives ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

async def main():
    with DataDirectory(Path(sys.argv[1]) if len(sys.argv) > 1 else None) as directory:
        database = EmbeddedPostgres(directory / "postgres", temporary=True)
        async with EmbeddedBroker(directory / "broker") as broker, database as postgres:
            pids = [broker.pid, postgres.pid]
            print(json.dumps({"directory": str(directory), "dsn": postgres.dsn, "pids": pids}), flush=True)
            await asyncio.sleep(600)

asyncio.run(main())
"""
LIMIT_S = 60.0


@dataclass
class Owner:
    process: "subprocess.Popen[str]"
    directory: Path
    dsn: str
    pids: list[int]

    def end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self.process.wait(LIMIT_S)


@contextmanager
def owner(*arguments: str, user: Account | None = None) -> Iterator[Owner]:
    identity = {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}
    process: subprocess.Popen[str] = subprocess.Popen(  # type: ignore[call-overload]
        [interpreter(user), "-c", OWNER, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        env={"PYTHONPATH": python_path(), "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ["PATH"]},
        **identity,
    )
    with process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            yield Owner(process, Path(told["directory"]), told["dsn"], told["pids"])
        finally:
            process.kill()


def python_path() -> str:
    root = Path(streams.__file__).parents[1]
    return os.pathsep.join([str(root), str(Path(asyncpg.__file__).parents[1])])


def interpreter(user: Account | None) -> str:
    same_version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, shutil.which(same_version, path="/usr/bin:/usr/local/bin")):
        if candidate and (user is None or user.can_run(Path(candidate))):
            return candidate
    pytest.skip(f"no {same_version} that a plain user can run")


def plain_user() -> Account:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user; we are a plain user already")
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def runs(pid: int) -> bool:
    """Whether a process runs; one that is dead but not yet collected by init does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize("user", [pytest.param(None, id="ourselves"), pytest.param(plain_user, id="plain-user")])
def test_no_server_outlives_its_owner(number: signal.Signals, user: Callable[[], Account] | None) -> None:
    account = user() if user else None
    with owner(user=account) as owned:
        started = [*owned.pids, *(child for pid in owned.pids for child in children(pid))]
        assert len(started) > 4
        assert all(runs(pid) for pid in owned.pids)
        if account is not None:
            assert {Path(f"/proc/{pid}").stat().st_uid for pid in owned.pids} == {account.uid}
        owned.end(number)
        assert eventually(lambda: not any(runs(pid) for pid in started))
        if number == signal.SIGINT:
            assert not owned.directory.exists()
    if account is None:
        # What a killed owner could not remove, the next temporary directory does.
        def removed() -> bool:
            remove_abandoned(Path(tempfile.gettempdir()))
            return not owned.directory.exists()

        assert eventually(removed)
    else:
        shutil.rmtree(owned.directory, ignore_errors=True)


async def test_a_named_directory_is_reopened_at_once_after_its_owner_was_killed() -> None:
    with DataDirectory() as base:
        named = base / "named"
        with owner(str(named)) as owned:
            connection = await asyncpg.connect(owned.dsn, timeout=30)
            await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
            await connection.close()
            owned.end(signal.SIGKILL)
            with DataDirectory(named) as directory:
                async with EmbeddedPostgres(directory / "postgres") as postgres:
                    connection = await asyncpg.connect(postgres.dsn, timeout=30)
                    assert await connection.fetchval("SELECT answer FROM kept") == 42
                    await connection.close()


def test_a_named_directory_of_a_live_owner_stays_its_own() -> None:
    with DataDirectory() as base:
        named = base / "named"
        with owner(str(named)) as owned:
            second = subprocess.run(
                [sys.executable, "-c", OWNER, str(named)],
                capture_output=True,
                text=True,
                check=False,
                env={"PYTHONPATH": python_path(), "PATH": os.environ["PATH"]},
            )
            assert f"in use by process {owned.process.pid}" in second.stderr
            assert all(runs(pid) for pid in owned.pids)
            owned.end(signal.SIGINT)
        assert named.exists()


async def test_both_work_under_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")
    script = OWNER.replace("await asyncio.sleep(600)", "return").replace(
        "asyncio.run(main())", "import uvloop; uvloop.run(main())"
    )
    assert uvloop.__name__ in script
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script),
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": python_path(), "PATH": os.environ["PATH"]},
    )
    told, _ = await asyncio.wait_for(process.communicate(), LIMIT_S)
    assert process.returncode == 0
    assert not any(runs(pid) for pid in json.loads(told)["pids"])
