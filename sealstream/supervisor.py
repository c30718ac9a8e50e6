"""Worker processes started, watched and stopped by the process that owns them."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from schemas.errors import SealstreamError
from sealstream.settings import Settings
from streams.embedded.process import ServerCommand, ServerProcess

READY_LIMIT: Final = timedelta(seconds=60)
DRAIN: Final = (signal.SIGTERM, timedelta(seconds=20))


class WorkerEnded(SealstreamError):
    """A worker process ended by itself; its log says why."""


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A worker that is ready."""

    name: str
    process: ServerProcess
    log: Path


@asynccontextmanager
async def worker_processes(settings: Settings, roles: Sequence[Sequence[str]]) -> AsyncIterator[list[WorkerProcess]]:
    """Start one process for each list of roles; the body runs once all are ready.

    Raises:
        ServerExited: One ended before it was ready.
    """
    if settings.data_dir is None:
        raise RuntimeError("worker processes need a data directory; start the embedded servers first")
    directory = settings.data_dir / "workers"
    directory.mkdir(mode=0o700, exist_ok=True)
    async with AsyncExitStack() as stack:
        started = []
        for number, names in enumerate(roles):
            started.append(await stack.enter_async_context(_worker(settings, directory, number, names)))
        await asyncio.gather(*(_until_ready(each, directory) for each in started))
        yield started


async def wait_for_end(workers: Sequence[WorkerProcess]) -> None:
    """Wait until any worker ends by itself, and say so.

    Raises:
        WorkerEnded: Always, in the end.
    """
    ends = {asyncio.create_task(each.process.wait()): each for each in workers}
    try:
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        ended = ends[next(iter(done))]
        raise WorkerEnded(f"worker {ended.name} ended by itself; see {ended.log}")
    finally:
        for task in ends:
            task.cancel()


@asynccontextmanager
async def _worker(
    settings: Settings, directory: Path, number: int, roles: Sequence[str]
) -> AsyncIterator[WorkerProcess]:
    name = f"{number}-{'-'.join(roles)}"
    log = directory / f"{name}.log"
    ready = directory / f"{name}.ready"
    ready.unlink(missing_ok=True)
    arguments = [sys.executable, "-m", "sealstream", "worker", "--ready-file", str(ready)]
    for role in roles:
        arguments += ["--role", role]
    process = await ServerProcess.start(
        ServerCommand(
            name=f"worker {name}",
            arguments=arguments,
            directory=directory,
            log=log,
            account=None,
            death_signal=signal.SIGTERM,
            environment=_environment(settings),
        )
    )
    try:
        yield WorkerProcess(name, process, log)
    finally:
        await process.stop(DRAIN)


async def _until_ready(worker: WorkerProcess, directory: Path) -> None:
    ready = directory / f"{worker.name}.ready"

    async def probe() -> bool:
        return ready.exists()

    await worker.process.until_ready(probe, READY_LIMIT)


def _environment(settings: Settings) -> dict[str, str]:
    """The settings in force, for a process of ours; secrets go by environment, never by argument."""
    values = settings.model_dump(mode="json", exclude_none=True, exclude={"database_url"}) | settings.secrets()
    environment = {f"SEALSTREAM_{name.upper()}": _text(value) for name, value in values.items()}
    if settings.dsn is not None:
        environment["SEALSTREAM_DATABASE_URL"] = settings.dsn
    # One process, one core: the libraries' own threads would only fight over it.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}
    return environment | threads | path


def _text(value: object) -> str:
    if isinstance(value, list):
        import json

        return json.dumps(value)
    return str(value)
