"""The session's PostgreSQL and Kafka: one of each, however many processes the tests run in.

With pytest-xdist the controller owns them, in a thread of its own: the first test process that asks for one has it
started, all are told where it is, and they end with the controller, however it ends. Without, the only process owns
them. What the tests' names for databases and topics have to be like is CONTRIBUTING.md's.
"""

import asyncio
import shutil
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from deploy.kafka import KafkaBroker, KafkaCluster
from streams.embedded import DataDirectory
from tests.support.databases import PostgresServer, postgres_server

T = TypeVar("T")


@asynccontextmanager
async def kafka_server() -> AsyncIterator[KafkaBroker]:
    """One node for tests that end no server."""
    with DataDirectory() as directory:
        async with KafkaCluster(directory / "kafka") as cluster:
            yield KafkaBroker(cluster.bootstrap_servers, cluster.cluster_id)


RUN: Final[dict[type, Callable[[], AbstractAsyncContextManager[Any]]]] = {
    PostgresServer: postgres_server,
    KafkaBroker: kafka_server,
}


class ServerFailed(Exception):
    """The controller could not start a server."""


class Answer(msgspec.Struct):
    """What the controller tells a test process."""

    server: msgspec.Raw = msgspec.Raw(b"null")
    failure: str = ""


async def ask(place: str, kind: type[T]) -> T:
    """Have the controller that listens at this place start a server, if it has not; returns where it is.

    Raises:
        ServerFailed: It does not start; the text says why.
    """
    reader, writer = await asyncio.open_unix_connection(place)
    try:
        writer.write(kind.__name__.encode() + b"\n")
        answer = msgspec.json.decode(await reader.read(), type=Answer)
    finally:
        writer.close()
    if answer.failure:
        raise ServerFailed(answer.failure)
    return msgspec.json.decode(answer.server, type=kind, dec_hook=lambda other, value: other(value))


@asynccontextmanager
async def session_server(kind: type[T], place: str | None) -> AsyncIterator[T]:
    """The session's server of a kind: the controller's that listens at this place, or our own where there is none."""
    if place is not None:
        yield await ask(place, kind)
    else:
        async with RUN[kind]() as server:
            yield server


class SharedServers:
    """The servers that a controller owns. Nothing starts before it is asked for.

    Attributes:
        place: Where test processes ask.
    """

    place: str

    def __init__(self) -> None:
        # Short: the address of a socket has 108 bytes at most, and pytest's directories are deep.
        self._directory = Path(tempfile.mkdtemp(prefix="sealstream-tests-"))
        self.place = str(self._directory / "servers")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(self.place)
        self._socket.listen()
        self._loop, self._ending = asyncio.new_event_loop(), asyncio.Event()
        # Servers end with the thread that started them, and pytest's own has no event loop.
        self._thread = threading.Thread(target=self._run, name="servers", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """End all of them; returns once they are gone."""
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()
        shutil.rmtree(self._directory)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        run = {kind.__name__: run for kind, run in RUN.items()}
        starts: dict[str, asyncio.Task[Any]] = {}
        async with AsyncExitStack() as stack:

            async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                name = (await reader.readline()).decode().strip()
                if name not in starts:
                    starts[name] = asyncio.create_task(stack.enter_async_context(run[name]()))
                try:
                    server = await asyncio.shield(starts[name])
                    told = Answer(server=msgspec.Raw(msgspec.json.encode(server, enc_hook=str)))
                except Exception as exc:
                    told = Answer(failure=str(exc))
                writer.write(msgspec.json.encode(told))
                writer.close()

            async with await asyncio.start_unix_server(answer, sock=self._socket):
                await self._ending.wait()
            for start in starts.values():
                start.cancel()
            await asyncio.gather(*starts.values(), return_exceptions=True)
