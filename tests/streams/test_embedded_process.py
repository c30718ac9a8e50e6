import asyncio
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.errors import ConfigurationError
from streams.embedded import ServerExited, ServerNotReady, launcher
from streams.embedded.process import ServerCommand, ServerProcess

STUBBORN = "trap '' TERM; echo up; while :; do sleep 0.1; done"
LONG, SHORT = timedelta(seconds=60), timedelta(seconds=0.3)


def shell(tmp_path: Path, script: str) -> ServerCommand:
    return ServerCommand(
        name="test server",
        arguments=("/bin/sh", "-c", script),
        directory=tmp_path,
        log=tmp_path / "server.log",
        account=None,
        death_signal=signal.SIGKILL,
    )


async def logged_up(tmp_path: Path) -> bool:
    return "up" in (tmp_path / "server.log").read_text()


async def never() -> bool:
    return False


@pytest.mark.parametrize("code", [0, 3])
async def test_an_early_exit_is_a_failure_that_shows_the_end_of_the_log(tmp_path: Path, code: int) -> None:
    process = await ServerProcess.start(shell(tmp_path, f"seq 100; echo no such thing >&2; exit {code}"))
    with pytest.raises(ServerExited, match=f"test server ended with code {code} .*\n  94\n(.*\n)*  no such thing$"):
        await process.until_ready(never, LONG)


async def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    process = await ServerProcess.start(shell(tmp_path, "echo starting; exec sleep 600"))
    with pytest.raises(ServerNotReady, match=r"did not answer within 0.3 s; .*\n  starting"):
        await process.until_ready(never, SHORT)
    await process.stop((signal.SIGTERM, LONG))
    assert await process.wait() == -signal.SIGTERM


async def test_a_server_that_ignores_signals_is_killed(tmp_path: Path) -> None:
    process = await ServerProcess.start(shell(tmp_path, STUBBORN))
    await process.until_ready(lambda: logged_up(tmp_path), LONG)
    await process.stop((signal.SIGTERM, SHORT))
    assert await process.wait() == -signal.SIGKILL


async def test_a_cancelled_stop_kills(tmp_path: Path) -> None:
    process = await ServerProcess.start(shell(tmp_path, STUBBORN))
    await process.until_ready(lambda: logged_up(tmp_path), LONG)
    stopping = asyncio.create_task(process.stop((signal.SIGTERM, LONG)))
    await asyncio.sleep(0.1)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert await asyncio.wait_for(process.wait(), 60) < 0


async def test_stopping_what_ended_by_itself_is_no_error(tmp_path: Path) -> None:
    process = await ServerProcess.start(shell(tmp_path, "exit 7"))
    assert await process.wait() == 7
    await process.stop((signal.SIGTERM, LONG))


async def test_a_missing_program_is_named(tmp_path: Path) -> None:
    command = shell(tmp_path, "")
    process = await ServerProcess.start(
        ServerCommand(
            name="test server",
            arguments=("/nowhere/at-all",),
            directory=command.directory,
            log=command.log,
            account=None,
            death_signal=signal.SIGKILL,
        )
    )
    with pytest.raises(ServerExited, match="cannot run /nowhere/at-all: No such file or directory"):
        await process.until_ready(never, LONG)


async def test_an_unwritable_log_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "server.log.1").mkdir()
    (tmp_path / "server.log").touch()
    with pytest.raises(ConfigurationError, match="cannot write the log"):
        await ServerProcess.start(shell(tmp_path, ""))


async def test_the_last_start_s_log_is_kept_and_nobody_else_reads_it(tmp_path: Path) -> None:
    for word in ("first", "second"):
        await (await ServerProcess.start(shell(tmp_path, f"echo {word}"))).wait()
    assert (tmp_path / "server.log").read_text() == "second\n"
    assert (tmp_path / "server.log.1").read_text() == "first\n"
    assert (tmp_path / "server.log").stat().st_mode & 0o777 == 0o600


async def test_a_server_gets_a_session_and_an_environment_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "inherited")
    monkeypatch.setenv("CLUSTER_ID", "inherited")
    process = await ServerProcess.start(shell(tmp_path, "ps -o sid= -p $$; env; umask"))
    assert await process.wait() == 0
    session, *rest = (tmp_path / "server.log").read_text().splitlines()
    assert int(session) == process.pid != os.getsid(0)
    assert "inherited" not in "".join(rest)
    assert rest[-1] == "0077"


def test_a_server_whose_owner_died_before_it_could_watch_it_does_not_start() -> None:
    owner = os.getppid()  # alive, but not the launcher's parent, as after a death and a new parent
    arguments = (str(owner), str(int(signal.SIGKILL)), "-", "-", "/", "/bin/echo", "started")
    done = subprocess.run([sys.executable, launcher.__file__, *arguments], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (launcher.FAILED, b"")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change to another user")
def test_giving_up_root_is_complete_and_keeps_the_watch_on_the_owner() -> None:
    report = (
        "import ctypes, os; n = ctypes.c_int(); ctypes.CDLL(None).prctl(2, ctypes.byref(n), 0, 0, 0); "
        "print(os.getresuid(), os.getresgid(), os.getgroups(), n.value)"
    )
    arguments = (str(os.getpid()), "9", "65534", "65534", "/", "/usr/bin/env", "python3", "-I", "-c", report)
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, launcher.__file__, *arguments], capture_output=True, text=True, check=False, env=environment
    )
    assert done.stdout.split("\n")[0] == "(65534, 65534, 65534) (65534, 65534, 65534) [] 9", done.stderr
