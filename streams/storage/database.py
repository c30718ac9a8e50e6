"""The pool of connections to PostgreSQL, with the session settings that every process needs; and how far each reaches.

Connections that take the role of the API see the rows of the tenants in their reach, and no others: row-level security
compares each row with it (docs/decisions/0075). The owner of the tables sees all.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final, Self, TypeAlias, cast

import asyncpg

from schemas.errors import StorageError, Unavailable
from streams.storage.server_identity import SameServer
from streams.storage.unreachable import why_unreachable

# A stopped process that holds a transaction would stop its successors; the server ends such a session.
IDLE_IN_TRANSACTION_MS: Final = 2_000

LOCK_WAIT_SHARE: Final = 0.5
"""Of a statement's time: who waits for a lock longer than that looks at who holds it, see `streams.storage.stalled`."""

CONNECT_SECONDS: Final = 10.0

API_ROLE: Final = "sealstream_api"
"""What the API's connections run as; the migration makes it."""

EVERYBODY: Final = ("*",)
"""The reach of the platform's own work."""

Reach = Sequence[str]
"""Tenants, or `EVERYBODY`; none is nothing."""

CONNECT_ERRORS: Final = (
    OSError,
    ValueError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.TargetServerAttributeNotMatched,
)
"""What connecting can raise: refused, a URL that is none, a database that says no."""

_AWAY: Final = (
    OSError,  # refused, no answer, no socket
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.TargetServerAttributeNotMatched,  # several hosts, and none of them is the primary yet
)

_UNKNOWN: Final = ("?",)
"""No tenant's name."""

_NO_ROLE: Final = (asyncpg.InvalidParameterValueError, asyncpg.InsufficientPrivilegeError)

# Generic in the stubs alone.
Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"


class DatabaseAway(StorageError, Unavailable):
    """The database does not take connections at the moment."""


class RoleMissing(StorageError):
    """The role that connections run as is not there, or the login may not take it."""

    def __init__(self, role: str) -> None:
        super().__init__(
            f"the database has no role {role} that this login may take; run `sealstream migrate`, and "
            f"`GRANT {role} TO <the login in SEALSTREAM_DATABASE_URL>`"
        )


class Database:
    """A pool. Use as an async context manager; `session` gives a connection.

    Connections that broke are made anew when they are next asked for.

    Args:
        patience: How long a statement may take before the server counts as gone; None for work that may take long.
        role: What all connections run as; None for the login itself, to which reach means nothing.
        reach: Of sessions that name none.
    """

    def __init__(
        self,
        dsn: str,
        *,
        name: str,
        connections: int = 4,
        patience: timedelta | None = None,
        role: str | None = None,
        reach: Reach = (),
    ) -> None:
        self._dsn = dsn
        self._name = name
        self._connections = connections
        self._patience = patience.total_seconds() if patience else None
        self._server = SameServer()
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._clean: set[int] = set()
        self._role = role
        self._reach = tuple(reach)
        self._reaches: dict[int, Reach] = {}

    async def __aenter__(self) -> Self:
        try:
            self._pool = await asyncpg.create_pool(
                self._dsn,
                min_size=1,
                max_size=self._connections,
                timeout=CONNECT_SECONDS,
                # The client's clock notices a server that was stopped or is cut off; the server's own ends what is
                # still under way for a client that is gone.
                command_timeout=self._patience,
                init=self._begin,
                reset=self._reset,
                server_settings={
                    "application_name": self._name,
                    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
                    "timezone": "UTC",
                    # Whatever the role's default is: a commit that returns is durable.
                    "synchronous_commit": "on",
                    # These tables are read by key; a compiled plan costs more than it saves.
                    "jit": "off",
                    "tcp_keepalives_idle": "10",
                    "tcp_keepalives_interval": "5",
                    "tcp_keepalives_count": "3",
                    **self._time_limits(),
                    # Clearing a session's settings leaves the role.
                    **({"role": self._role} if self._role is not None else {}),
                },
            )
        except CONNECT_ERRORS as exc:
            if self._role is not None and isinstance(exc, _NO_ROLE):
                raise RoleMissing(self._role) from exc
            raise _no_connection(exc) from exc
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._pool is None:
            return
        # A polite goodbye needs a server that answers.
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def session(self, *, clean: bool = False, reach: Reach | None = None) -> AsyncIterator[Connection]:
        """A connection from the pool, given back at the end.

        Args:
            reach: Whose rows it sees, where connections have a role; by default those that the pool was made for.
            clean: The body, when it succeeds, leaves nothing behind: no setting, listener or session lock. Then the
                server is not asked to clear all of that, which would cost a small commit a tenth.

        Raises:
            DatabaseAway: There is none, and the server does not take a new one.
        """
        if self._pool is None:
            raise StorageError("the database is used outside its context; enter it first")
        # The time limit is for giving back too: a connection that does not answer is thrown away.
        held = self._pool.acquire(timeout=self._patience)
        try:
            connection = await held
        except _AWAY as exc:
            raise _no_connection(exc) from exc
        # Should it end without being given back, another session may get its process id.
        self._clean.discard(connection.get_server_pid())
        try:
            await self._limit(connection, self._reach if reach is None else tuple(reach))
            yield connection
            if clean:
                self._clean.add(connection.get_server_pid())
        except asyncpg.ReadOnlySQLTransactionError:
            # What we are connected to became a standby: look for the primary again.
            await self._pool.expire_connections()
            raise
        finally:
            # One that can't be given back is thrown away; what was done with it stays done.
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                await self._pool.release(connection)

    async def answers(self) -> None:
        """Return once the server has answered; asked again and again, a restore of it is noticed.

        Raises:
            DatabaseReplaced: It is not the one that answered before.
            Exception: It did not answer.
        """
        async with self.session(clean=True) as connection:
            await self._server.check(cast("asyncpg.Connection[asyncpg.Record]", connection))

    def _time_limits(self) -> dict[str, str]:
        if self._patience is None:
            return {}
        milliseconds = self._patience * 1000
        return {
            "statement_timeout": f"{milliseconds:.0f}",
            "lock_timeout": f"{milliseconds * LOCK_WAIT_SHARE:.0f}",
            # A plan is kept, and what is cheapest in a table that has just begun is to read all of it.
            "enable_seqscan": "off",
        }

    async def _begin(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        # A new connection may have the process id of one that is gone.
        self._reaches.pop(connection.get_server_pid(), None)
        try:
            await self._server.check(connection)
        except BaseException:
            # The pool would close it in good order and raise this error, whatever comes meanwhile: a task that is
            # cancelled just then would never know, and whoever cancelled it would wait for ever.
            connection.terminate()
            raise

    async def _limit(self, connection: Connection, reach: Reach) -> None:
        """Let a session see these tenants' rows, whatever it saw before."""
        if self._role is None:
            return
        number = connection.get_server_pid()
        if self._reaches.get(number, ()) != reach:
            # Unknown until it is done: what was sent may be in force, or not.
            self._reaches[number] = _UNKNOWN
            await connection.execute("SELECT set_config('sealstream.reach', $1::text[]::text, false)", list(reach))
            self._reaches[number] = reach

    async def _reset(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        if connection.get_server_pid() in self._clean:
            self._clean.discard(connection.get_server_pid())
        else:
            await connection.reset()
            self._reaches.pop(connection.get_server_pid(), None)

    def __repr__(self) -> str:
        return f"Database(name={self._name!r})"


def _no_connection(error: Exception) -> StorageError:
    kind = DatabaseAway if isinstance(error, _AWAY) and not isinstance(error, ssl.SSLError) else StorageError
    return kind(why_unreachable(error))
