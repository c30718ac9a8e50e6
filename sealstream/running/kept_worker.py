"""One worker process, started again when it ends by itself. Which ones there are, says `running.supervisor`."""

import asyncio
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from schemas.errors import ConfigurationError
from streams.embedded.process import ServerCommand, ServerProcess
from streams.endurance import pause_seconds

log = structlog.get_logger(__name__)

READY_LIMIT: Final = timedelta(seconds=60)
DRAIN: Final = (signal.SIGTERM, timedelta(seconds=20))

QUICK_SECONDS: Final = 10.0
"""A worker that ends sooner than this after its start did nothing worth speaking of."""

QUICK_ENDS: Final = 5
"""So many in a row, and starting it again is no help."""


Launch = Callable[[ServerCommand], Awaitable[ServerProcess]]
"""Starts a process."""


class KeptWorker:
    """A worker that is started again whenever it ends by itself.

    Attributes:
        restarts: How often that was.
    """

    def __init__(self, command: ServerCommand, name: str, ready: Path, launch: Launch | None = None) -> None:
        self.name = name
        self.log = command.log
        self.restarts = 0
        self._command = command
        self._ready = ready
        self._launch = launch or ServerProcess.start
        self._scratch: str | None = None
        self._process: ServerProcess | None = None
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def pid(self) -> int:
        """Of the process that runs now, or ran last."""
        return self._running().pid

    async def start(self) -> None:
        """Start the process; it gets ready later.

        Raises:
            ConfigurationError: It can't be started.
        """
        self._ready.unlink(missing_ok=True)
        await self._tidy_up()
        # Temporary files of its own, which we remove: a worker that is killed can't.
        self._scratch = tempfile.mkdtemp(prefix="sealstream-worker-")
        environment = {**self._command.environment, "TMPDIR": self._scratch}
        self._process = await self._launch(replace(self._command, environment=environment))

    async def until_ready(self) -> None:
        """Wait for the first start to come off.

        Raises:
            ServerExited: It ended before it was ready.
        """

        async def probe() -> bool:
            return self.ready

        await self._running().until_ready(probe, READY_LIMIT)

    @property
    def ready(self) -> bool:
        """Whether the process that runs now has been ready."""
        return self._ready.exists()

    async def ended(self) -> None:
        """Wait until it is given up, or was stopped."""
        await self._ended.wait()

    async def keep(self) -> None:
        """Start it again each time it ends, until told to stop or that is no help."""
        quick, quick_since = 0, 0.0
        try:
            while True:
                began = time.monotonic()
                code = await self._end_or_stop()
                if code is None:
                    return
                lasted = time.monotonic() - began
                quick_since = quick_since if quick else began
                quick = quick + 1 if lasted < QUICK_SECONDS else 0
                log.warning("worker.ended", worker=self.name, code=code, lasted=round(lasted, 1), log=str(self.log))
                if quick >= QUICK_ENDS:
                    log.error("worker.given_up", worker=self.name, ends_in_a_row=quick, log=str(self.log))
                    return
                failing_for = time.monotonic() - quick_since if quick else 0.0
                if await self._stopped_within(pause_seconds(failing_for, random.random())):  # noqa: S311  # jitter
                    return
                self.restarts += 1
                with suppress(ConfigurationError):  # counts as one that ended at once
                    await self.start()
        finally:
            self._ended.set()

    def tell_to_stop(self) -> None:
        """Don't start it again; `stop` ends the process."""
        self._stopping.set()

    async def stop(self) -> None:
        """Let it finish what is in work, bounded; returns once the process is gone."""
        if self._process is not None:
            await self._process.stop(DRAIN)
        await self._tidy_up()

    async def _tidy_up(self) -> None:
        if self._scratch is not None:
            await asyncio.to_thread(shutil.rmtree, self._scratch, ignore_errors=True)
            self._scratch = None

    async def _end_or_stop(self) -> int | None:
        """The exit code, or None when it was told to stop."""
        ended = asyncio.ensure_future(self._running().wait())
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return None if self._stopping.is_set() else ended.result()
        finally:
            ended.cancel()
            stopping.cancel()

    async def _stopped_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()

    def _running(self) -> ServerProcess:
        if self._process is None:
            raise RuntimeError(f"worker {self.name} has not been started")
        return self._process
