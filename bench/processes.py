"""The processes of one run: workers of a variant, readers of the transport's measurement, the producer."""

import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from sealstream.running.kept_worker import DRAIN
from sealstream.running.supervisor import WorkerProcess
from sealstream.settings import Settings
from streams.embedded.process import ServerCommand, ServerProcess

CHECKOUT: Final = Path(__file__).resolve().parents[1]
_NO_SETTINGS: Final[Mapping[str, str]] = {}


@asynccontextmanager
async def variant_workers(
    settings: Settings, variant: str, count: int, directory: Path
) -> AsyncIterator[list[WorkerProcess]]:
    """Start workers of a variant; they wait behind the gate in `directory`."""
    environment = _environment(settings)
    async with AsyncExitStack() as stack:
        yield [
            WorkerProcess(
                name := f"{variant.rpartition('.')[2]}-{number}",
                await stack.enter_async_context(
                    bench_process(name, ["bench.worker", variant, str(directory), name], directory, environment)
                ),
                directory / f"{name}.log",
            )
            for number in range(count)
        ]


@asynccontextmanager
async def bench_process(
    name: str, module: Sequence[str], directory: Path, environment: Mapping[str, str] = _NO_SETTINGS
) -> AsyncIterator[ServerProcess]:
    """A Python process of this benchmark; its log is `<name>.log` in the directory."""
    process = await ServerProcess.start(
        ServerCommand(
            name=name,
            arguments=[sys.executable, "-m", *module],
            directory=directory,
            log=directory / f"{name}.log",
            account=None,
            death_signal=signal.SIGTERM,
            environment={**environment, "PYTHONPATH": str(CHECKOUT)},
        )
    )
    try:
        yield process
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
    return environment | threads
