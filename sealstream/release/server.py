"""The socket of the key release: who may connect, and handing each request to who answers it.

Only processes of certain users get in, by what the kernel says of them. What a request has to prove is said in
agents.release.
"""

import asyncio
import os
import socket
import stat
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import structlog

from agents.release import ReleaseRefused
from schemas.errors import ConfigurationError, SealstreamError, VerificationFailed
from sealstream.release.messages import AWAY, FAILED, MALFORMED, Answer, Answered, Asked, Fault, Hello, Request, Welcome
from sealstream.release.metrics import ANSWERED, ReleaseMetrics
from sealstream.release.wire import CHALLENGE_BYTES, MOST_ASKED, BrokenFrame, framed, read_asked, read_frame
from security.commit_signature import check_answer, worker_id_of
from streams.health import Health
from streams.outages import passes

log = structlog.get_logger(__name__)

AT_ONCE: Final = 64
"""Requests of one connection in work; more wait in the socket."""

CONNECTIONS: Final = 128
HELLO_SECONDS: Final = 5.0
_CREDENTIALS: Final = struct.Struct("iII")
_OURS_ALONE: Final = 0o077
_NOT_EVERYBODYS: Final = 0o027

Answerer = Callable[[str, Request], Awaitable[Answer]]
"""Answers a request of the worker of that name."""


class SocketServer:
    """Serves one socket.

    Args:
        users: Numbers of the users whose processes may connect.
        welcome: Certifies the key of who connected.
        metrics: Counts requests.
    """

    def __init__(
        self,
        users: Collection[int],
        welcome: Callable[[bytes], Awaitable[Welcome]],
        answer: Answerer,
        metrics: ReleaseMetrics | None = None,
    ) -> None:
        self._metrics = metrics or ReleaseMetrics(None, Health())
        self._users = frozenset(users)
        self._welcome = welcome
        self._answer = answer
        self._connections: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self, path: Path) -> AsyncIterator[None]:
        """Serve while the body runs.

        Raises:
            ConfigurationError: The socket's place is not ours alone, or can't be listened on.
        """
        listener = _listener(path, shared=self._users != {os.getuid()})
        server = await asyncio.start_unix_server(self._connected, sock=listener)
        try:
            yield
        finally:
            server.close()
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            user = _user_of(writer)
            if user not in self._users or len(self._connections) > CONNECTIONS:
                log.warning("release.not_let_in", user=user)
                return
            await self._converse(reader, writer)
        except* (BrokenFrame, VerificationFailed, TimeoutError, OSError) as several:
            log.warning("release.connection_ended", error=type(several.exceptions[0]).__name__)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        challenge = os.urandom(CHALLENGE_BYTES)
        writer.write(challenge)
        async with asyncio.timeout(HELLO_SECONDS):
            body = await read_frame(reader, MOST_ASKED)
        if body is None:
            return
        hello = read_asked(body)
        if not isinstance(hello.what, Hello):
            raise BrokenFrame
        check_answer(challenge, hello.what.answer, hello.what.public_key)
        worker_id = worker_id_of(hello.what.public_key)
        writer.write(framed(Answered(hello.number, await self._welcome(hello.what.public_key))))
        room = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as working:
            while (body := await read_frame(reader, MOST_ASKED)) is not None:
                await room.acquire()
                working.create_task(self._work(read_asked(body), worker_id, writer, room))

    async def _work(self, asked: Asked, worker_id: str, writer: asyncio.StreamWriter, room: asyncio.Semaphore) -> None:
        try:
            began = time.perf_counter()
            with self._metrics.request():
                answer = await self._answered(asked.what, worker_id)
            outcome = answer.code if isinstance(answer, Fault) else ANSWERED
            self._metrics.answered(type(asked.what).__name__, outcome, began)
            # Whoever asked may have gone.
            with suppress(OSError):
                writer.write(framed(Answered(asked.number, answer)))
                await writer.drain()
        finally:
            room.release()

    async def _answered(self, what: Request, worker_id: str) -> Answer:
        name = type(what).__name__
        try:
            return await self._answer(worker_id, what)
        except ReleaseRefused as exc:
            log.warning("release.refused", request=name, worker=worker_id, reason=exc.reason)
            return Fault(exc.reason)
        except BrokenFrame:
            return Fault(MALFORMED)
        except Exception as exc:
            if passes(exc):
                log.warning("release.away", request=name, error=type(exc).__name__)
                return Fault(AWAY)
            # Another one's text might quote anything.
            said = str(exc) if isinstance(exc, SealstreamError) else None
            log.error("release.failed", request=name, error=type(exc).__name__, what=said)
            return Fault(FAILED)


def _user_of(writer: asyncio.StreamWriter) -> int:
    """Whose process is on the other side, as the kernel says."""
    raw = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(raw)
    return int(user)


def _listener(path: Path, *, shared: bool) -> socket.socket:
    """A socket in a directory that only its users can enter.

    Args:
        shared: Whether other users than ours connect: the directory's group then can.
    """
    directory = path.parent
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = directory.stat()
    open_to = stat.S_IMODE(found.st_mode) & (_NOT_EVERYBODYS if shared else _OURS_ALONE)
    if found.st_uid not in (0, os.getuid()) or open_to:
        raise ConfigurationError(
            f"{directory} is not for the key release alone; it has mode 0700"
            + (", or 0750 and the group of those who may connect" if shared else "")
        )
    _see_nobody_there(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
        if shared:
            os.chown(path, -1, found.st_gid)
            path.chmod(0o660)
    except OSError as exc:
        listener.close()
        raise ConfigurationError(f"can't listen on {path} ({exc.strerror or exc}); name another place") from exc
    finally:
        os.umask(before)
    return listener


def _see_nobody_there(path: Path) -> None:
    """A socket that somebody left is taken away; one that somebody serves is not."""
    if not path.exists():
        return
    if not path.is_socket():
        raise ConfigurationError(f"{path} is there, and is no socket; name another place")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise ConfigurationError(f"another process serves {path}; stop it, or name another place")
