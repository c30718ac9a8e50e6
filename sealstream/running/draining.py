"""Ending a process in good order when it is told to: what is in work is finished first, within a bound."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
ENDED_AT_ONCE: Final = 128 + signal.SIGTERM


async def run_until_told(
    work: Coroutine[Any, Any, None], bound: timedelta, end: Callable[[int], Any] = os._exit
) -> None:
    """Run until SIGTERM or Ctrl-C, then cancel the work and wait until it has wound up.

    A second signal, or the end of the bound, ends the process at once. That loses nothing: whatever was not committed
    is processed again by whoever has its partition next, as after a kill.

    Args:
        work: Winds up when it is cancelled. Its errors are raised, also those of winding up.
        bound: How long winding up may take.
        end: Ends the process with an exit code.
    """
    loop = asyncio.get_running_loop()
    told = asyncio.Event()

    def on_signal() -> None:
        if told.is_set():
            log.warning("process.ended_at_once", why="a second signal")
            end(ENDED_AT_ONCE)
        told.set()

    for number in SIGNALS:
        loop.add_signal_handler(number, on_signal)
    task = asyncio.ensure_future(work)
    telling = asyncio.ensure_future(told.wait())
    try:
        await asyncio.wait({task, telling}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=bound.total_seconds())
        if not task.done():
            log.warning("process.ended_at_once", why="winding up took too long", seconds=bound.total_seconds())
            end(ENDED_AT_ONCE)
        with suppress(asyncio.CancelledError):
            await task
    finally:
        telling.cancel()
        task.cancel()
        for number in SIGNALS:
            loop.remove_signal_handler(number)
