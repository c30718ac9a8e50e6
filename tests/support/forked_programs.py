"""Python programs of ours forked from a process that has imported everything: ten times cheaper than new interpreters.

`forked` stands in for `ServerProcess.start`, and gives the process what that gives a program: a session, a log and an
environment of its own, the directory, and an end with its owner.
"""

import asyncio
import os
import runpy
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

from sealstream.running.kept_worker import Launch
from streams.embedded.launcher import signal_on_owner_death
from streams.embedded.process import ServerCommand, ServerProcess, open_log
from tests.support.forked_command import become
from tests.support.forkserver import PROCESSES

Prepare = Callable[[], None]
"""Runs in the process before the program; can be pickled."""

_start_anew = ServerProcess.start


def _nothing() -> None:
    pass


def forked(prepare: Prepare = _nothing) -> Launch:
    """A way to start servers that forks those which are modules of Python."""

    async def launch(command: ServerCommand) -> ServerProcess:
        if list(command.arguments[:2]) != [sys.executable, "-m"]:
            return await _start_anew(command)
        return ServerProcess(command, _Forked(command, prepare))

    return launch


@contextmanager
def forked_programs() -> Iterator[None]:
    """Whatever program is started meanwhile is forked."""
    with mock.patch.object(ServerProcess, "start", forked()):
        yield


class _Forked:
    """A process, as `ServerProcess` wants to see it."""

    def __init__(self, command: ServerCommand, prepare: Prepare) -> None:
        self._process = PROCESSES.Process(target=_run, args=(command, prepare), daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = loop.create_future()
        loop.add_reader(self._process.sentinel, self._end)

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    def send_signal(self, signal: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, signal)

    def _end(self) -> None:
        code = self._process.exitcode
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        if code is not None and not self._ended.done():
            self._ended.set_result(code)


def _run(command: ServerCommand, prepare: Prepare) -> None:
    os.setsid()
    os.umask(0o077)
    signal_on_owner_death(command.death_signal)
    os.close(open_log(command.log))
    variables = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **command.environment}
    become(variables, command.directory, [command.log] * 2)
    time.tzset()
    prepare()
    module, *arguments = command.arguments[2:]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
