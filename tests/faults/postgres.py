"""A database server that can be killed, stopped and started again on its port and data; and one with a standby."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from streams.embedded import EmbeddedPostgres
from tests.support.standby import Pair, pair


class BreakablePostgres:
    """An embedded server. An async context manager.

    Attributes:
        dsn: Where the application connects, for as long as the context lasts.
    """

    dsn: str

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port: int | None = None
        self._server: EmbeddedPostgres | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def running(self) -> bool:
        """Whether the server's process is there."""
        return self._server is not None and Path(f"/proc/{self._server.pid}").exists()

    async def start(self) -> None:
        """Start it, again on the same port."""
        server = EmbeddedPostgres(self._directory, port=self._port, temporary=True)
        await server.__aenter__()
        self._server = server
        self.dsn = server.dsn
        self._port = urlsplit(server.dsn).port

    async def stop(self) -> None:
        """Shut it down in good order; nothing happens when it does not run."""
        if self._server is not None:
            await self._server.__aexit__(None, None, None)
            self._server = None

    async def kill(self) -> None:
        """SIGKILL to the server and all its backends."""
        self._signal(signal.SIGKILL)
        assert self._server is not None
        await self._server.wait_exit()
        await self.stop()

    async def freeze(self, seconds: float) -> None:
        """SIGSTOP to the server and all its backends, and SIGCONT later."""
        self._signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._server is not None, "the server does not run"
        # It leads a session, but its backends lead groups of their own.
        for process in (self._server.pid, *_children(self._server.pid)):
            os.kill(process, number)


class PairedPostgres(BreakablePostgres):
    """A primary whose commits wait for a standby. `dsn` names both, and leads to whichever is the primary.

    Attributes:
        pair: Both of them.
    """

    pair: Pair

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        assert self._server is not None
        beside = self._directory.with_name("standby-of-it")
        beside.mkdir(mode=0o755)
        self.pair = await self._exit.enter_async_context(pair(beside, self._server))
        await self.pair.wait_for_standby(yes=True)
        first, second = (urlsplit(dsn).netloc.rpartition("@")[2] for dsn in (self.dsn, self.pair.standby_dsn))
        self.dsn = f"{self.dsn.replace(first, f'{first},{second}')}?target_session_attrs=primary"
        return self

    async def __aexit__(self, *error: Any) -> None:
        try:
            await self._exit.aclose()
        finally:
            await super().__aexit__(*error)

    async def fail_over(self) -> None:
        """Kill the primary and promote the standby, which goes on without one."""
        await self.kill()
        await self.pair.promote()


def _children(process: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(") ")[2].split()
            except OSError:
                continue
            if int(stat[1]) == process:
                found.append(int(entry.name))
    return found
