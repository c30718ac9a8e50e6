"""One child process with models in it, from its start to its end. When it is started again: `process_device`."""

import asyncio
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
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

Channel = tuple[asyncio.StreamReader, asyncio.StreamWriter]

PROGRAM: Final = (sys.executable, "-m", "agents.inference.process_child")


class HostedModels:
    """A process that answers for its models. It is good until the first failure and then has to be ended.

    Args:
        channels: Of its slots, the ordinary one first.
    """

    def __init__(self, process: asyncio.subprocess.Process, channels: Sequence[Channel]) -> None:
        self.models: Mapping[str, ModelIdentity] = {}
        """By `name@version`."""
        self._process = process
        self._channels = channels

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

    async def ask(self, request: Request, *, express: bool = False) -> Reply:
        """Send a request and read its reply; one at a time for each slot.

        Raises:
            DeviceFailed: The process died, or sent what is no message.
        """
        reader, writer = self._channels[express]
        try:
            writer.write(framed(request))
            await writer.drain()
            size = LENGTH.unpack(await reader.readexactly(LENGTH.size))[0]
            if size > LARGEST:
                raise DeviceFailed("the process that hosts the models sent nonsense")
            return read_reply(await reader.readexactly(size))
        except (OSError, EOFError) as exc:
            raise DeviceFailed("the process that hosts the models died") from exc
        except msgspec.MsgspecError as exc:
            raise DeviceFailed("the process that hosts the models sent nonsense") from exc

    async def end(self) -> None:
        """Kill it and wait for its end: it keeps nothing that could be lost."""
        with suppress(ProcessLookupError):
            self._process.kill()
        for _, writer in self._channels:
            writer.close()
        # Whoever cancels us must not leave a zombie behind.
        await asyncio.shield(self._process.wait())


async def start_process(program: Sequence[str], *, express: bool = False) -> HostedModels:
    """Start a process without models.

    It is a program of its own and no fork: our threads, locks and sockets are none of its business. Its session is its
    own as well, so that Ctrl-C reaches only us, and we end it when our work is done.

    Args:
        express: With an express slot beside the ordinary one.

    Raises:
        DeviceFailed: It can't be started.
    """
    pairs = [socket.socketpair() for _ in range(1 + express)]
    descriptors = [its.fileno() for _, its in pairs]
    with ExitStack() as opened, ExitStack() as passed:
        for ours, its in pairs:
            opened.enter_context(ours)
            passed.enter_context(its)
        first, *others = map(str, descriptors)
        try:
            process = await asyncio.create_subprocess_exec(
                *program,
                first,
                str(os.getpid()),
                *others,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=descriptors,
                start_new_session=True,
            )
        except OSError as exc:
            raise DeviceFailed(f"cannot start a process for models: {exc.strerror}") from exc
        passed.close()
        try:
            for ours, _ in pairs:
                ours.setblocking(False)
            channels = [await asyncio.open_connection(sock=ours) for ours, _ in pairs]
        except BaseException:
            process.kill()
            raise
        opened.pop_all()  # they are the streams' now
    return HostedModels(process, channels)
