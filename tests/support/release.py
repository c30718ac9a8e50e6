"""A key release over a test's platform: a process of its own, as operators run it."""

import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sealstream.running.kept_worker import Launch
from streams.embedded.process import ServerCommand, ServerProcess
from tests.support.forked_programs import forked
from tests.support.installation import Installation
from tests.support.processes import ROOT, environment

PATIENCE = timedelta(seconds=120)
EVERYTHING = "*/*/1-5"


@dataclass
class OurProcess:
    """A command that serves until it is stopped, and says in a file when it is ready."""

    arguments: Sequence[str]
    directory: Path
    environment: dict[str, str]
    launch: Launch = ServerProcess.start
    process: ServerProcess | None = None

    async def start(self) -> str:
        """Start it, and wait until it answers; gives what it says of itself."""
        ready = self.directory / "ready"
        ready.unlink(missing_ok=True)
        command = ServerCommand(
            name=self.arguments[0],
            arguments=[sys.executable, "-m", "sealstream", *self.arguments, "--ready-file", str(ready)],
            directory=ROOT,
            log=self.directory / "log",
            account=None,
            death_signal=signal.SIGKILL,
            environment=self.environment,
        )
        self.process = await self.launch(command)

        async def is_there() -> bool:
            return ready.exists()

        await self.process.until_ready(is_there, PATIENCE)
        return ready.read_text().strip()

    async def stop(self) -> None:
        """End it, if it runs."""
        if self.process is not None:
            await self.process.stop((signal.SIGTERM, PATIENCE))

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
    """A release, forked: what is shown is a process that has the keys, not how it starts."""

    launch: Launch = field(default_factory=forked)
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
