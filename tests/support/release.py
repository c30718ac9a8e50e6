"""A key release over a test's platform: a process of its own, as operators run it."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.installation import Installation
from tests.support.processes import ROOT, environment

READY_SECONDS = 120.0
EVERYTHING = "*/*/1-5"


@dataclass
class OurProcess:
    """A command that serves until it is stopped, and says in a file when it is ready."""

    arguments: Sequence[str]
    directory: Path
    environment: dict[str, str]
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> str:
        """Start it, and wait until it answers; gives what it says of itself."""
        ready = self.directory / "ready"
        ready.unlink(missing_ok=True)
        with (self.directory / "log").open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "sealstream", *self.arguments, "--ready-file", str(ready),
                env=self.environment, cwd=ROOT, stdout=output, stderr=output,
            )  # fmt: skip
        async with asyncio.timeout(READY_SECONDS):
            while not ready.exists():
                assert self.process.returncode is None, self.said
                await asyncio.sleep(0.02)
        return ready.read_text().strip()

    async def stop(self) -> None:
        """End it, if it runs."""
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        assert self.process is not None
        return self.process.pid

    @property
    def said(self) -> str:
        """Its log."""
        return (self.directory / "log").read_text()


@dataclass
class ReleaseProcess(OurProcess):
    """A release."""

    socket: Path = Path()

    def route(self, *scopes: str) -> str:
        """As a setting of the API names it."""
        return f"{','.join(scopes or (EVERYTHING,))} {self.socket}"


def settings_of(platform: Installation, **more: str) -> dict[str, str]:
    """What a process of this platform needs, beside keys; in its environment."""
    named = {"SEALSTREAM_DATABASE_URL": platform.dsn, "SEALSTREAM_KAFKA_BOOTSTRAP": "127.0.0.1:1", **more}
    return environment(named)


@asynccontextmanager
async def releasing(platform: Installation, *scopes: str) -> AsyncIterator[ReleaseProcess]:
    """A release of these scopes, by default of everything."""
    # A socket's path has to be short.
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        directory = Path(folder)
        socket = directory / "at" / "socket"
        named = [each for scope in scopes or (EVERYTHING,) for each in ("--scope", scope)]
        arguments = ["release", *named, "--socket", str(socket)]
        environment_ = settings_of(platform, SEALSTREAM_KEYRING_DIR=str(platform.keyring_dir))
        found = ReleaseProcess(arguments, directory, environment_, socket=socket)
        await found.start()
        try:
            yield found
        finally:
            await found.stop()
