"""The processes of one run: workers of a variant, and the product's own sequencer and relay."""

import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from sealstream.settings import Settings
from sealstream.supervisor import DRAIN, WorkerProcess
from streams.embedded.process import ServerCommand, ServerProcess

CHECKOUT: Final = Path(__file__).resolve().parents[1]


@asynccontextmanager
async def variant_workers(
    settings: Settings, variant: str, count: int, directory: Path
) -> AsyncIterator[list[WorkerProcess]]:
    """Start workers of a variant; they wait behind the gate in `directory`."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(_worker(settings, variant, f"{variant}-{number}", directory))
            for number in range(count)
        ]


@asynccontextmanager
async def _worker(settings: Settings, variant: str, name: str, directory: Path) -> AsyncIterator[WorkerProcess]:
    log = directory / f"{name}.log"
    process = await ServerProcess.start(
        ServerCommand(
            name=f"worker {name}",
            arguments=[sys.executable, "-m", "bench.worker", variant, str(directory), name],
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


def _environment(settings: Settings) -> dict[str, str]:
    """As the product's supervisor hands its settings on."""
    values = settings.model_dump(mode="json", exclude_none=True, exclude={"database_url"})
    environment = {
        f"SEALSTREAM_{name.upper()}": json.dumps(value) if isinstance(value, list) else str(value)
        for name, value in values.items()
    }
    if settings.dsn is not None:
        environment["SEALSTREAM_DATABASE_URL"] = settings.dsn
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return environment | threads | {"PYTHONPATH": str(CHECKOUT)}
