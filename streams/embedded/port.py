"""A TCP port on the loopback interface for a server that is about to start."""

import errno
import secrets
import socket
from collections.abc import Awaitable, Callable

from schemas.errors import ConfigurationError
from streams.embedded.process import ServerExited, ServerProcess

LOOPBACK = "127.0.0.1"
# Below the range from which Linux takes the ports of outgoing connections: there, an unrelated client may sit on the
# port at any moment, and our own ready check may even connect to itself.
CANDIDATES = range(20_000, 32_768)
PICKS = 200
STARTS = 5


async def start_on_port(
    wanted: int | None, start: Callable[[int], Awaitable[ServerProcess]]
) -> tuple[int, ServerProcess]:
    """Start a server on the wanted port, or on any free one; a picked port that is lost in a race is replaced.

    Args:
        wanted: The port to use, or None for any.
        start: Starts the server on a port and returns when it is ready; raises ServerExited when it ended before.

    Raises:
        ConfigurationError: The wanted port is taken or not ours to take, or the server ends for another reason.
    """
    if wanted is not None:
        _require_free(wanted)
        return wanted, await start(wanted)
    for _ in range(STARTS - 1):
        port = pick_port()
        try:
            return port, await start(port)
        except ServerExited:
            if is_free(port):
                raise
    port = pick_port()
    return port, await start(port)


def pick_port() -> int:
    """A port that nobody listens on at this moment."""
    for _ in range(PICKS):
        port = secrets.choice(CANDIDATES)
        if is_free(port):
            return port
    raise ConfigurationError(f"found no free port between {CANDIDATES[0]} and {CANDIDATES[-1]} on {LOOPBACK}")


def is_free(port: int) -> bool:
    """Whether a server could listen on ``port`` at this moment."""
    try:
        _bind(port)
    except OSError:
        return False
    return True


def _require_free(port: int) -> None:
    if not 0 < port < 65_536:
        raise ConfigurationError(f"{port} is not a TCP port; choose one between 1 and 65535, or none for any")
    try:
        _bind(port)
    except OSError as exc:
        fact = "is in use" if exc.errno == errno.EADDRINUSE else f"cannot be used ({exc.strerror})"
        raise ConfigurationError(f"port {port} on {LOOPBACK} {fact}; choose another port, or none for any") from exc


def _bind(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT is not in use
        listener.bind((LOOPBACK, port))
