"""A worker that ends is started again, until that is plainly no help."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sealstream.running import kept_worker
from sealstream.running.kept_worker import QUICK_ENDS, KeptWorker
from sealstream.running.supervisor import WorkerEnded, wait_for_end
from streams.embedded.process import ServerCommand, ServerExited

STAYS = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
ENDS = "import sys; sys.exit(3)"
DRAINS = (
    "import pathlib, signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); "
    "pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
)


def worker(directory: Path, program: str) -> KeptWorker:
    ready = directory / "w.ready"
    command = ServerCommand(
        name="worker w",
        arguments=[sys.executable, "-S", "-c", program, str(ready)],
        directory=directory,
        log=directory / "w.log",
        account=None,
        death_signal=signal.SIGTERM,
    )
    return KeptWorker(command, "w", ready)


def scratch(directory: Path, pattern: str = "") -> list[Path]:
    return list(directory.glob(f"sealstream-worker-*/{pattern}"))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_what_killed_workers_leave_in_their_temporary_directory_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kept = worker(tmp_path, f"import tempfile; tempfile.mkdtemp(prefix='left-'); {STAYS}")
    await kept.start()
    keeping = asyncio.create_task(kept.keep())
    await kept.until_ready()
    (first,) = scratch(tmp_path, "left-*")
    os.kill(kept.pid, signal.SIGKILL)
    await until(lambda: kept.restarts == 1 and kept.ready)
    (second,) = scratch(tmp_path, "left-*")
    assert second != first
    kept.tell_to_stop()
    await keeping
    await kept.stop()
    assert not scratch(tmp_path)


async def test_a_killed_worker_is_started_again(tmp_path: Path) -> None:
    kept = worker(tmp_path, STAYS)
    await kept.start()
    keeping = asyncio.create_task(kept.keep())
    await kept.until_ready()
    first = kept.pid
    os.kill(first, signal.SIGKILL)
    await until(lambda: kept.restarts == 1 and kept.ready)
    assert kept.pid != first
    kept.tell_to_stop()
    await keeping
    await kept.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(kept.pid, 0)


async def test_one_that_ends_again_and_again_at_once_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def none(failing_for: float, chance: float) -> float:
        pauses.append(failing_for)
        return 0.0

    monkeypatch.setattr(kept_worker, "pause_seconds", none)
    kept = worker(tmp_path, ENDS)
    await kept.start()
    with capture_logs() as logs:
        keeping = asyncio.create_task(kept.keep())
        with pytest.raises(WorkerEnded, match=r"worker w .*w\.log"):
            await wait_for_end([kept])
        await keeping
    assert kept.restarts == QUICK_ENDS - 1
    assert pauses == sorted(pauses), "the pauses grow"
    assert [entry["code"] for entry in logs if entry["event"] == "worker.ended"] == [3] * QUICK_ENDS


async def test_a_first_start_that_fails_is_told_at_once(tmp_path: Path) -> None:
    kept = worker(tmp_path, ENDS)
    await kept.start()
    with pytest.raises(ServerExited, match="code 3"):
        await kept.until_ready()


async def test_a_worker_that_is_stopped_is_not_started_again(tmp_path: Path) -> None:
    kept = worker(tmp_path, DRAINS)
    await kept.start()
    keeping = asyncio.create_task(kept.keep())
    await kept.until_ready()
    kept.tell_to_stop()
    await kept.stop()
    await asyncio.wait_for(kept.ended(), 10)
    await keeping
    assert kept.restarts == 0
