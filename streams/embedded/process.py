"""One server process: started for this process, watched, stopped, and never alive longer than this process.

Which server it is, what ready means and which port it takes are `streams.embedded.broker` and `.postgres`; what happens
in the child before the server runs is `streams.embedded.launcher`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol, Self

from schemas.errors import ConfigurationError
from streams.embedded import launcher
from streams.embedded.account import Account

POLL = 0.02
LOG_LINES = 8


class ServerExited(ConfigurationError):
    """A server ended before it was ready."""

    def __init__(self, name: str, code: int, log: Path, lines: str) -> None:
        super().__init__(f"{name} ended with code {code} before it was ready; the end of {log}:\n{lines}")
        self.code = code


class ServerNotReady(ConfigurationError):
    """A server runs but did not answer in time."""

    def __init__(self, name: str, limit: timedelta, log: Path, lines: str) -> None:
        super().__init__(f"{name} did not answer within {limit.total_seconds():g} s; the end of {log}:\n{lines}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCommand:
    """How to run one server.

    Attributes:
        name: What messages call it.
        arguments: Program (absolute path) and arguments; visible to everybody on the machine, so never a secret.
        directory: Working directory, entered as ``account``.
        log: File for standard output and error; the last start's log is kept beside it, with the suffix ``.1``.
        account: Who it runs as; None to stay who we are.
        death_signal: What it gets when this process dies.
        environment: Added to the few variables that every server gets; nothing else of ours is passed on.
        descriptors: Open files it inherits.
    """

    name: str
    arguments: Sequence[str]
    directory: Path
    log: Path
    account: Account | None
    death_signal: signal.Signals
    environment: Mapping[str, str] = field(default_factory=dict)
    descriptors: Sequence[int] = ()


class Child(Protocol):
    """The part of `asyncio.subprocess.Process` that we use, for who starts processes otherwise."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    @property
    def returncode(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        ...

    async def wait(self) -> int:
        """Wait for its end; the same code."""
        ...

    def send_signal(self, signal: int) -> None:
        """Send it a signal."""
        ...


class ServerProcess:
    """A running server, in a session of its own, so that Ctrl-C in the terminal reaches us and not the server.

    The kernel ends it when the thread that started it ends: start it on a thread that lives as long as its event loop.
    """

    def __init__(self, command: ServerCommand, process: Child) -> None:
        self._command = command
        self._process = process

    @classmethod
    async def start(cls, command: ServerCommand) -> Self:
        """Start the server; whether it gets ready is `until_ready`'s question.

        Raises:
            ConfigurationError: This system cannot end a server with its owner or has no room for another process, or
                the log cannot be written.
        """
        if sys.platform != "linux":
            raise ConfigurationError(f"the embedded {command.name} needs Linux; configure an external one")
        account = (
            (str(command.account.uid), str(command.account.gid)) if command.account else (launcher.NO_ACCOUNT,) * 2
        )
        owner = (str(os.getpid()), str(int(command.death_signal)))
        log = open_log(command.log)
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", launcher.__file__, *owner, *account, str(command.directory)),
                *command.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC", **command.environment},
                start_new_session=True,
                pass_fds=tuple(command.descriptors),
            )
        except OSError as exc:
            raise ConfigurationError(f"cannot start a process for the {command.name}: {exc.strerror}") from exc
        finally:
            os.close(log)
        return cls(command, process)

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._process.pid

    async def wait(self) -> int:
        """Wait for the end of the server; returns its exit code, negative for the signal that ended it."""
        return await self._process.wait()

    async def until_ready(self, probe: Callable[[], Awaitable[bool]], limit: timedelta) -> None:
        """Ask ``probe`` until it says yes.

        Raises:
            ServerExited: The server ended first, with whatever code.
            ServerNotReady: ``limit`` has passed.
        """
        try:
            async with asyncio.timeout(limit.total_seconds()):
                while not (await probe() and self._process.returncode is None):
                    with suppress(TimeoutError):
                        code = await asyncio.wait_for(self.wait(), POLL)
                        raise self.exited(code)
        except TimeoutError:
            raise self.not_ready(limit) from None

    def exited(self, code: int) -> ServerExited:
        """The error for an end that came too early, with the last lines of the log."""
        return ServerExited(self._command.name, code, self._command.log, self._last_lines())

    def not_ready(self, limit: timedelta) -> ServerNotReady:
        """The error for an answer that did not come in time, with the last lines of the log."""
        return ServerNotReady(self._command.name, limit, self._command.log, self._last_lines())

    async def stop(self, *steps: tuple[signal.Signals, timedelta]) -> None:
        """Send each signal and give it its time; whatever is then left, or a cancelled stop, is killed.

        Returns once the process is gone; one that ended by itself is no error.
        """
        try:
            for number, patience in steps:
                self._send(number)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.wait(), patience.total_seconds())
                    return
        finally:
            if self._process.returncode is None:
                self._send(signal.SIGKILL)
        await self.wait()

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def _last_lines(self) -> str:
        with suppress(OSError), self._command.log.open("rb") as log:
            log.seek(max(0, self._command.log.stat().st_size - 4096))
            lines = log.read().decode("utf-8", "replace").splitlines()
            return "\n".join(f"  {line}" for line in lines[-LOG_LINES:])
        return "  (no log)"


def open_log(path: Path) -> int:
    """Begin a log file that only we read, keeping the one of the last start."""
    try:
        if path.exists():
            path.replace(path.with_name(f"{path.name}.1"))
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise ConfigurationError(f"cannot write the log {path}: {exc.strerror}; choose another data directory") from exc
