"""Asking the key release: one connection for all who wait, made anew when it ends, and not too often while it is away.

What is asked for is sealstream.release.remote's and sealstream.release.identity's.
"""

import asyncio
import random
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from agents.release import Refusal, ReleaseRefused
from schemas.errors import Unavailable, VerificationFailed
from sealstream.release.messages import AWAY, Answer, Answered, Asked, Fault, Hello, Request, Welcome
from sealstream.release.wire import (
    CHALLENGE_BYTES,
    HEAD_BYTES,
    MOST_ANSWERED,
    BrokenFrame,
    body_length,
    framed,
    read_answered,
    read_frame,
)
from security.commit_signature import WorkerKey
from streams.endurance import pause_seconds

PATIENCE_SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 2.0
REPLAY_SECONDS: Final = 300.0

A = TypeVar("A", bound=Answer)


class ReleaseAway(Unavailable):
    """The key release does not answer: nothing that is sealed is shown, and nothing is sealed."""

    def __init__(self) -> None:
        super().__init__("the key release does not answer; what is sealed stays sealed until it is back")


class ReleaseFailed(VerificationFailed):
    """The key release could not do what was asked; its own log says why."""

    def __init__(self) -> None:
        super().__init__("the key release could not do what was asked; its log says why")


def expected(answer: Answer, kind: type[A]) -> A:
    """The answer, if it is of that kind.

    Raises:
        ReleaseRefused: It is a refusal.
        ReleaseAway: Something that the release needs is away.
        ReleaseFailed: It can't be done.
    """
    if isinstance(answer, kind):
        return answer
    if isinstance(answer, Fault):
        if answer.code == AWAY:
            raise ReleaseAway
        if answer.code in set(Refusal):
            raise ReleaseRefused(Refusal(answer.code))
    raise ReleaseFailed


class ReleaseClient:
    """Asks one release.

    Args:
        worker: Signs the commits that looks are in.
        clock: Seconds, never going back.
        chance: A random number from 0 to 1.
    """

    def __init__(
        self,
        path: Path,
        worker: WorkerKey,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.path = path
        self._worker = worker
        self._clock = clock
        self._chance = chance
        self._connecting = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._last = 0
        self._failing_since: float | None = None
        self._not_before = 0.0

    async def ask(self, what: Request, kind: type[A], *, patience: float = PATIENCE_SECONDS) -> A:
        """The answer to a request; raises as `expected`, and ReleaseAway where there is none in time."""
        try:
            async with asyncio.timeout(patience):
                writer = await self._connected()
                self._last += 1
                number, done = self._last, asyncio.get_running_loop().create_future()
                self._waiting[number] = done
                try:
                    writer.write(framed(Asked(number, what)))
                    await writer.drain()
                    return expected(await done, kind)
                finally:
                    self._waiting.pop(number, None)
        except (OSError, TimeoutError, BrokenFrame) as exc:
            raise ReleaseAway from exc

    async def answers(self) -> None:
        """See that it is there.

        Raises:
            ReleaseAway: It is not.
        """
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._connected()
        except (OSError, TimeoutError, BrokenFrame) as exc:
            raise ReleaseAway from exc

    async def close(self) -> None:
        """End the connection."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is not None:
                return self._writer
            if self._clock() < self._not_before:
                raise ReleaseAway
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    reader, writer = await asyncio.open_unix_connection(self.path)
                    try:
                        await self._introduce(reader, writer)
                    except BaseException:
                        writer.close()
                        raise
            except (OSError, TimeoutError, BrokenFrame, asyncio.IncompleteReadError) as exc:
                now = self._clock()
                self._failing_since = now if self._failing_since is None else self._failing_since
                self._not_before = now + pause_seconds(now - self._failing_since, self._chance())
                raise ReleaseAway from exc
            self._failing_since = None
            self._writer = writer
            self._reading = asyncio.create_task(self._read(reader, writer), name="key release")
            return writer

    async def _introduce(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        challenge = await reader.readexactly(CHALLENGE_BYTES)
        worker = self._worker
        writer.write(framed(Asked(0, Hello(worker.public_key, worker.answer(challenge)))))
        body = await read_frame(reader, MOST_ANSWERED)
        if body is None:
            raise BrokenFrame
        expected(read_answered(body).what, Welcome)

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand answers to who waits for them, until the connection ends."""
        try:
            while (body := await read_frame(reader, MOST_ANSWERED)) is not None:
                answered: Answered = read_answered(body)
                done = self._waiting.get(answered.number)
                if done is not None and not done.done():
                    done.set_result(answered.what)
        except (OSError, BrokenFrame):
            pass  # who waits is told below, as of any other end
        finally:
            self._writer = None
            writer.close()
            for done in self._waiting.values():
                if not done.done():
                    done.set_exception(ReleaseAway())


def ask_once(path: Path, worker: WorkerKey, what: Request, kind: type[A]) -> A:
    """Ask a release from a thread, over a connection of its own: for what is asked rarely, and kept once it is known.

    Raises:
        ReleaseAway, ReleaseRefused, ReleaseFailed: As `expected`.
    """
    return _introduced(path, worker, lambda connection, _: _asked(connection, what, kind))


def welcomed(path: Path, worker: WorkerKey) -> Welcome:
    """Have a release certify a key, from a thread.

    Raises:
        ReleaseAway: Nobody answers.
    """
    return _introduced(path, worker, lambda _, welcome: welcome)


def _introduced(path: Path, worker: WorkerKey, then: Callable[[socket.socket, Welcome], A]) -> A:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(PATIENCE_SECONDS)
            connection.connect(str(path))
            challenge = _exactly(connection, CHALLENGE_BYTES)
            return then(connection, _asked(connection, Hello(worker.public_key, worker.answer(challenge)), Welcome))
    except (OSError, BrokenFrame) as exc:
        raise ReleaseAway from exc


def _asked(connection: socket.socket, what: Request, kind: type[A]) -> A:
    connection.sendall(framed(Asked(0, what)))
    length = body_length(_exactly(connection, HEAD_BYTES), MOST_ANSWERED)
    return expected(read_answered(_exactly(connection, length)).what, kind)


def _exactly(connection: socket.socket, length: int) -> bytes:
    found = bytearray()
    while len(found) < length:
        piece = connection.recv(length - len(found))
        if not piece:
            raise BrokenFrame
        found += piece
    return bytes(found)
