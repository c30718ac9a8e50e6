"""Running a command's work so that SIGTERM ends it as orderly as Ctrl-C does."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

import typer
import uvloop

T = TypeVar("T")

TERMINATED = 128 + signal.SIGTERM


def run_interruptible(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, or until SIGTERM: then what was started is stopped and removed, and the command exits."""

    async def cancellable() -> T:
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await task

    try:
        return uvloop.run(cancellable())
    except asyncio.CancelledError:
        raise typer.Exit(TERMINATED) from None
