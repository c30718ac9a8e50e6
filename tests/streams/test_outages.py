"""What each error means: wait, find the record, or end."""

import asyncio
import errno
import ssl

import asyncpg
import pytest
from aiokafka import errors as kafka

from schemas.errors import ConfigurationError, Rejection, StorageError, Unavailable, VerificationFailed
from schemas.reasons import Reason
from streams.frames import BrokerUnavailable, PositionsUnavailable
from streams.kafka import BrokerAway
from streams.outages import Verdict, describe, judge
from streams.storage.database import DatabaseAway
from streams.storage.sequencing import Fenced


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
        ConnectionResetError(errno.ECONNRESET, "reset"),
        TimeoutError(),
        OSError(errno.ENOSPC, "full"),
        OSError(errno.EHOSTUNREACH, "no route"),
        asyncpg.ConnectionDoesNotExistError("gone"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
        asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
        asyncpg.CannotConnectNowError("starting up"),
        asyncpg.AdminShutdownError("shutting down"),
        asyncpg.CrashShutdownError("another one crashed"),
        asyncpg.DiskFullError("no space"),
        asyncpg.TooManyConnectionsError("too many"),
        asyncpg.DeadlockDetectedError("deadlock"),
        asyncpg.SerializationError("again"),
        asyncpg.LockNotAvailableError("locked"),
        asyncpg.QueryCanceledError("statement timeout"),
        asyncpg.IdleInTransactionSessionTimeoutError("we were stopped"),
        asyncpg.ReadOnlySQLTransactionError("a standby"),
        asyncpg.PostgresIOError("i/o"),
        kafka.KafkaConnectionError("no"),
        kafka.KafkaTimeoutError("late"),
        kafka.NotLeaderForPartitionError("moved"),
        kafka.NotEnoughReplicasError("too few"),
        Unavailable("away"),
        DatabaseAway("away"),
        BrokerUnavailable("away"),
        PositionsUnavailable(1, 2.0),
        Fenced("somebody else"),
        caused(StorageError("can't be reached"), ConnectionRefusedError()),
        caused(StorageError("outer"), caused(StorageError("inner"), TimeoutError())),
        BrokerAway("no broker there"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_waiting_helps_against(error: Exception) -> None:
    assert judge(error) is Verdict.PASSING


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.CharacterNotInRepertoireError("NUL"),
        asyncpg.NumericValueOutOfRangeError("far out"),
        asyncpg.CheckViolationError("no"),
        asyncpg.UniqueViolationError("twice"),
        asyncpg.ProgramLimitExceededError("index row too long"),
        asyncpg.exceptions._base.DataError("not an integer"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogate"),
        ValueError(),
        KeyError("x"),
        RecursionError(),
        AssertionError(),
        Rejection(Reason.MALFORMED, "no"),
        VerificationFailed("no"),
        caused(VerificationFailed("no"), ValueError()),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_record_is_to_blame_for(error: Exception) -> None:
    assert judge(error) is Verdict.RECORD


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        asyncio.CancelledError(),
        KeyboardInterrupt(),
        SystemExit(1),
        asyncpg.InvalidPasswordError("wrong"),
        asyncpg.InvalidCatalogNameError("no such database"),
        asyncpg.DatabaseDroppedError("dropped"),
        asyncpg.UndefinedTableError("not migrated"),
        asyncpg.UndefinedColumnError("not migrated"),
        asyncpg.InsufficientPrivilegeError("may not"),
        asyncpg.DataCorruptedError("broken"),
        PermissionError(errno.EACCES, "may not"),
        FileNotFoundError(errno.ENOENT, "gone"),
        kafka.TopicAuthorizationFailedError("may not"),
        StorageError("not migrated"),
        ConfigurationError("wrong"),
        caused(StorageError("refuses us"), asyncpg.InvalidPasswordError("wrong")),
        caused(StorageError("refuses us"), ssl.SSLCertVerificationError(1, "not trusted")),
        caused(ConfigurationError("the broker's certificate is not trusted"), kafka.KafkaConnectionError("no")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_neither_helps_against(error: BaseException) -> None:
    assert judge(error) is Verdict.FINAL


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.CharacterNotInRepertoireError("DE89370400440532013000"),
        kafka.KafkaError("DE89370400440532013000"),
        ValueError("DE89370400440532013000"),
        OSError(errno.ENOSPC, "DE89370400440532013000"),
        TimeoutError("DE89370400440532013000"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_foreign_error_s_text_is_never_repeated(error: Exception) -> None:
    assert "DE89" not in describe(error)
    assert describe(error)


def test_our_own_words_are_kept() -> None:
    assert describe(StorageError("the database is not migrated; migrate it")).endswith("migrate it")
