"""One child process with models in it, from its start to its end. When it is started again: `process_device`."""

import asyncio
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from agents.inference.engine import ModelIdentity
from agents.inference.process_messages import (
    LARGEST,
    LENGTH,
    Load,
    Loaded,
    Refused,
    Reply,
    Request,
    framed,
    read_reply,
)
from agents.inference.text_model import DeviceFailed
from schemas.errors import ConfigurationError

PROGRAM: Final = (sys.executable, "-m", "agents.inference.process_child")


class HostedModels:
    """A process that answers for its models. It is good until the first failure and then has to be ended."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.models: Mapping[str, ModelIdentity] = {}
        """By `name@version`."""
        self._process = process
        self._reader = reader
        self._writer = writer

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    async def load(self, directories: Sequence[Path], provider: str) -> None:
        """Load the models.

        Raises:
            ConfigurationError: One of them can't be loaded.
            DeviceFailed: The process died.
        """
        reply = await self.ask(Load(tuple(map(str, directories)), provider))
        if isinstance(reply, Refused):
            raise ConfigurationError(reply.why)
        if not isinstance(reply, Loaded):
            raise DeviceFailed("the process that hosts the models answered something else than it was asked")
        self.models = {f"{each[0]}@{each[1]}": ModelIdentity(*each) for each in reply.models}

    async def ask(self, request: Request) -> Reply:
        """Send a request and read its reply.

        Raises:
            DeviceFailed: The process died, or sent what is no message.
        """
        try:
            self._writer.write(framed(request))
            await self._writer.drain()
            size = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))[0]
            if size > LARGEST:
                raise DeviceFailed("the process that hosts the models sent nonsense")
            return read_reply(await self._reader.readexactly(size))
        except (OSError, EOFError) as exc:
            raise DeviceFailed("the process that hosts the models died") from exc
        except msgspec.MsgspecError as exc:
            raise DeviceFailed("the process that hosts the models sent nonsense") from exc

    async def end(self) -> None:
        """Kill it and wait for its end: it keeps nothing that could be lost."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._writer.close()
        # Whoever cancels us must not leave a zombie behind.
        await asyncio.shield(self._process.wait())


async def start_process(program: Sequence[str]) -> HostedModels:
    """Start a process without models.

    It is a program of its own and no fork: our threads, locks and sockets are none of its business. Its session is its
    own as well, so that Ctrl-C reaches only us, and we end it when our work is done.

    Raises:
        DeviceFailed: It can't be started.
    """
    ours, its = socket.socketpair()
    with its:
        try:
            process = await asyncio.create_subprocess_exec(
                *program,
                str(its.fileno()),
                str(os.getpid()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(its.fileno(),),
                start_new_session=True,
            )
        except OSError as exc:
            ours.close()
            raise DeviceFailed(f"cannot start a process for models: {exc.strerror}") from exc
    ours.setblocking(False)
    try:
        reader, writer = await asyncio.open_connection(sock=ours)
    except BaseException:
        process.kill()
        ours.close()
        raise
    return HostedModels(process, reader, writer)
