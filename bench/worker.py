"""`python -m bench.worker VARIANT DIRECTORY NAME`: one worker process of a variant, until SIGTERM."""

import asyncio
import signal
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from bench.gate import Gate
from bench.variants import VARIANTS
from sealstream.logs import configure_logs
from sealstream.settings import load_settings


async def run(variant: str, gate: Gate) -> None:
    """Work until SIGTERM; the product's own worker takes the signal over and ends by itself."""
    work = asyncio.ensure_future(import_module(VARIANTS[variant].module).work(load_settings(), gate))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    with suppress(asyncio.CancelledError):
        await work


def main() -> None:
    variant, directory, name = sys.argv[1:]
    configure_logs()
    gate = Gate(Path(directory), name)
    if VARIANTS[variant].uvloop:
        import uvloop

        uvloop.run(run(variant, gate))
    else:
        asyncio.run(run(variant, gate))


if __name__ == "__main__":
    main()
