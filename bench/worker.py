"""`python -m bench.worker MODULE DIRECTORY NAME`: one process that works or reads behind the gate, until SIGTERM."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from bench.gate import Gate
from sealstream.logs import configure_logs
from sealstream.settings import Settings, load_settings

Work = Callable[[Settings, Gate], Awaitable[None]]


async def run(work: Work, gate: Gate) -> None:
    """Work until SIGTERM; the product's own worker takes the signal over and ends by itself."""
    working = asyncio.ensure_future(work(load_settings(), gate))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)
    with suppress(asyncio.CancelledError):
        await working


def main() -> None:
    name_of_module, directory, name = sys.argv[1:]
    configure_logs()
    module = import_module(name_of_module)
    gate = Gate(Path(directory), name)
    if getattr(module, "STOCK_LOOP", False):
        asyncio.run(run(module.work, gate))
    else:
        import uvloop

        uvloop.run(run(module.work, gate))


if __name__ == "__main__":
    main()
