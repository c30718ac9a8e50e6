"""Which errors pass by themselves, which ones some record causes, and which are final: decided here and nowhere else.

What to do about it is the caller's part: waiting is `streams.endurance`, finding the record `agents.intake.bisection`.
"""

import errno
import traceback
from enum import StrEnum
from pathlib import Path
from typing import Final

import asyncpg
from aiokafka.errors import KafkaError, KafkaTimeoutError, KafkaUnavailableError

from schemas.errors import ConfigurationError, SealstreamError, StorageError, Unavailable


class Verdict(StrEnum):
    """What an error means for whoever met it."""

    PASSING = "passing"
    """A server is away, full or busy: wait, and do the same again."""

    RECORD = "record"
    """Something in the data, or in our code for it: find the record, set it aside, go on with the others."""

    FINAL = "final"
    """Neither helps: this process must end and say why."""


_ROOT: Final = Path(__file__).resolve().parent.parent

_PASSING_STATES: Final = (
    "08",  # connection exception
    "25006",  # read-only transaction: we are connected to what became a standby
    "25P03",  # idle-in-transaction timeout: we were stopped for a while
    "40",  # serialization, deadlock, outcome unknown
    "53",  # disk full, out of memory, too many connections
    "55",  # object in use, lock not available
    "57",  # shutting down, starting up, cancelled by a timeout
    "58",  # the server's own I/O failed
)
_FINAL_STATES: Final = ("57P04",)  # the database was dropped
_RECORD_STATES: Final = (
    "22",  # data exception: a NUL in a text, a number out of range
    "23",  # a constraint refuses the row
    "54",  # a value beyond a limit of the server, an index row for example
)

_PASSING_ERRNOS: Final = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENOTCONN,
        errno.ESHUTDOWN,
    }
)
_PASSING_KAFKA: Final = (KafkaTimeoutError, KafkaUnavailableError)  # retriable, although aiokafka doesn't call them so


def judge(error: BaseException) -> Verdict:
    """Decide what an error means.

    An error of our own is judged by the foreign one that it was raised from, where that one passes.
    """
    if not isinstance(error, Exception) or isinstance(error, MemoryError):
        return Verdict.FINAL
    if isinstance(error, Unavailable):
        return Verdict.PASSING
    if isinstance(error, SealstreamError):
        if isinstance(error, ConfigurationError):
            return Verdict.FINAL  # a client that is not let in sees no more than a broken connection
        if error.__cause__ is not None and _passes(error.__cause__):
            return Verdict.PASSING
        return Verdict.FINAL if isinstance(error, StorageError) else Verdict.RECORD
    if _passes(error):
        return Verdict.PASSING
    if isinstance(error, asyncpg.PostgresError):
        return Verdict.RECORD if _state(error).startswith(_RECORD_STATES) else Verdict.FINAL
    return Verdict.FINAL if isinstance(error, KafkaError | OSError) else Verdict.RECORD


def passes(error: BaseException) -> bool:
    """Whether waiting helps."""
    return judge(error) is Verdict.PASSING


def describe(error: BaseException) -> str:
    """What went wrong, for logs and health: our own words or the error's type, never its text, which may quote data."""
    if isinstance(error, SealstreamError):
        return str(error)
    name = type(error).__name__
    if isinstance(error, asyncpg.PostgresError):
        return f"PostgreSQL answered {_state(error)} ({name})"
    if isinstance(error, KafkaError):
        return f"Kafka: {name}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.errno is not None:
        return f"{errno.errorcode.get(error.errno, error.errno)} ({name})"
    return name


def raised_at(error: BaseException) -> str:
    """File, line and function where an error comes from: the innermost of our own frames, for logs."""
    while isinstance(error, SealstreamError) and error.__cause__ is not None:
        error = error.__cause__
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_ROOT) and ".venv" not in frame.filename]
    for frame in reversed(ours or frames):
        name = Path(frame.filename)
        shown = name.relative_to(_ROOT) if ours else Path(*name.parts[-2:])
        return f"{shown}:{frame.lineno} {frame.name}"
    return "unknown"


def _passes(error: BaseException) -> bool:
    if isinstance(error, asyncpg.PostgresError):
        state = _state(error)
        return state.startswith(_PASSING_STATES) and state not in _FINAL_STATES
    if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError):
        # asyncpg has many words, and no class, for a connection that the server left: closed, released, "another
        # operation in progress", "cannot switch to state 12". No connection of ours is shared, so none means what it
        # says. Its refusal to encode a value is a ValueError too.
        return not isinstance(error, ValueError)
    if isinstance(error, KafkaError):
        return bool(getattr(error, "retriable", False)) or isinstance(error, _PASSING_KAFKA)
    if isinstance(error, OSError):
        return isinstance(error, ConnectionError | TimeoutError) or error.errno in _PASSING_ERRNOS
    # Ours, wrapped in another one of ours.
    return isinstance(error, SealstreamError) and passes(error)


def _state(error: asyncpg.PostgresError) -> str:
    return str(getattr(error, "sqlstate", None) or "")
