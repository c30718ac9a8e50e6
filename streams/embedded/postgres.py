"""The embedded PostgreSQL: on the loopback interface, behind a generated password, with its data where it is told.

The application connects as the owner of one database, not as a superuser, so that what it may do here is what it may
do in production. What lies on disk is `streams.embedded.cluster`.
"""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import asyncpg

from schemas.errors import ConfigurationError
from streams.embedded.account import Account
from streams.embedded.cluster import SUPERUSER, Cluster
from streams.embedded.credentials import Credentials
from streams.embedded.directory import make_directory
from streams.embedded.installation import PostgresInstallation, default_search_path, find_installation
from streams.embedded.lock import DirectoryLock
from streams.embedded.port import LOOPBACK, start_on_port
from streams.embedded.process import ServerCommand, ServerProcess

DATABASE: Final = "sealstream"
ACCOUNTS: Final = ("postgres", "nobody")
ROLE: Final = "sealstream"
READY_LIMIT: Final = timedelta(minutes=5)  # a crash recovery replays up to max_wal_size
PROVISION_LIMIT: Final = timedelta(seconds=60)
ORPHAN_PATIENCE: Final = timedelta(seconds=20)
FAST_SHUTDOWN: Final = (signal.SIGINT, timedelta(seconds=30))  # SIGTERM would wait for every session to end
IMMEDIATE_SHUTDOWN: Final = (signal.SIGQUIT, timedelta(seconds=10))


class EmbeddedPostgres:
    """A database server that lives as long as the context; its data stays in the directory.

    Attributes:
        dsn: ``postgresql://user:password@127.0.0.1:port/sealstream``; the one place that shows the password.
    """

    dsn: str

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        temporary: bool = False,
        search_path: Sequence[Path] | None = None,
    ) -> None:
        """Nothing starts before the context is entered.

        Args:
            directory: For data, log and passwords; created when it is missing, reopened when it is not.
            port: The port to listen on, or None for any.
            temporary: The directory is thrown away, so a new cluster need not wait for the disk, which takes seconds
                on a busy one; commits still do.
            search_path: Directories to look for ``postgres`` and ``initdb`` in; None for the usual places.
        """
        self._directory = directory.absolute()
        self._port = port
        self._temporary = temporary
        self._search_path = search_path
        self._process: ServerProcess | None = None
        self._exit_stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start the server, create cluster, role and database where they are missing, and connect.

        Raises:
            DirectoryInUse: Another process runs a server on this directory.
            ConfigurationError: No binary, no port, no room, or it does not start; the text has the end of its log.
        """
        try:
            async with AsyncExitStack() as stack:
                make_directory(self._directory)
                lock = await DirectoryLock.acquire_after_owner(self._directory, ORPHAN_PATIENCE)
                stack.callback(lock.close)
                port, credentials = await self._start(lock)
                stack.push_async_callback(_stop, self._running())
                await _provision(port, credentials)
                self._exit_stack = stack.pop_all()
        except OSError as exc:
            raise ConfigurationError(f"cannot prepare {self._directory} for PostgreSQL: {exc.strerror}") from exc
        self.dsn = f"postgresql://{ROLE}:{credentials.application}@{LOOPBACK}:{port}/{DATABASE}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server and release the directory; returns once its process is gone."""
        await self._exit_stack.aclose()

    async def wait_exit(self) -> int:
        """Wait until the server's process ends, by itself or because the context was left; returns its exit code."""
        return await self._running().wait()

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._running().pid

    def _running(self) -> ServerProcess:
        if self._process is None:
            raise RuntimeError("PostgreSQL has not been started; enter its context first")
        return self._process

    async def _start(self, lock: DirectoryLock) -> tuple[int, Credentials]:
        cluster = Cluster(self._directory)
        account = Account.owning(cluster.data) if cluster.exists else Account.unprivileged(*ACCOUNTS)
        installation = await asyncio.to_thread(self._install, cluster, account)
        if cluster.exists:
            cluster.release_from_dead_server()
            credentials = Credentials.load(self._directory)
        else:
            credentials = Credentials.generate(self._directory)
            await cluster.create(installation, account, credentials.superuser, sync=not self._temporary)

        async def start(port: int) -> ServerProcess:
            return await _start(cluster, cluster.command(installation, account, port, lock.descriptor))

        port, self._process = await start_on_port(self._port, start)
        return port, credentials

    def _install(self, cluster: Cluster, account: Account | None) -> PostgresInstallation:
        search_path = default_search_path() if self._search_path is None else self._search_path
        return find_installation(search_path, cluster.major).reachable_by(account, self._directory)


async def _start(cluster: Cluster, command: ServerCommand) -> ServerProcess:
    process = await ServerProcess.start(command)

    async def ready() -> bool:
        return cluster.is_ready(process.pid)

    try:
        await process.until_ready(ready, READY_LIMIT)
    except BaseException:
        await _stop(process)
        raise
    return process


async def _stop(process: ServerProcess) -> None:
    await process.stop(FAST_SHUTDOWN, IMMEDIATE_SHUTDOWN)


async def _provision(port: int, credentials: Credentials) -> None:
    """Give the application its role and its database where they are missing, and connect as the application does."""
    try:
        async with asyncio.timeout(PROVISION_LIMIT.total_seconds()):
            connection = await _connect(port, SUPERUSER, credentials.superuser, SUPERUSER)
            try:
                exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", ROLE)
                verb = "ALTER ROLE {} LOGIN" if exists else "CREATE ROLE {} LOGIN CREATEROLE"
                await connection.execute(f"{verb.format(ROLE)} PASSWORD '{credentials.application}'")
                if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                    await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
            finally:
                await connection.close()
            await (await _connect(port, ROLE, credentials.application, DATABASE)).close()
    except asyncpg.InvalidAuthorizationSpecificationError:
        raise ConfigurationError(
            f"PostgreSQL runs on port {port} but refuses the password beside its data directory; restore the file"
        ) from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
        # Not `from exc`: the statement with the password may stand in it.
        raise ConfigurationError(
            f"PostgreSQL runs on port {port} but its role and database could not be set up ({type(exc).__name__}); "
            "make sure that its file system has room and that nobody else works on this database"
        ) from None


async def _connect(port: int, user: str, password: str, database: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(host=LOOPBACK, port=port, user=user, password=password, database=database, ssl=False)
