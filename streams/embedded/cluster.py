"""A PostgreSQL data directory: created whole or not at all, opened by one server, configured from outside.

Starting the server on it is `streams.embedded.postgres`.
"""

import asyncio
import os
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from schemas.errors import ConfigurationError
from streams.embedded.account import Account
from streams.embedded.credentials import write_secret
from streams.embedded.installation import PostgresInstallation
from streams.embedded.port import LOOPBACK
from streams.embedded.process import ServerCommand, ServerProcess

SUPERUSER: Final = "postgres"
INITDB_LIMIT: Final = timedelta(seconds=120)
# 1 GB, the default, makes sustained commits checkpoint so often that full-page images quadruple their p99.
WAL_MEBIBYTES: Final = 4096
WAL_MEBIBYTES_LEAST: Final = 256
_ACCESS_RULES: Final = f"# Written at each start.\nhost all all {LOOPBACK}/32 scram-sha-256\n"


@dataclass(frozen=True, slots=True)
class Cluster:
    """The data directory and what lies beside it in ``directory``, which its server can read but not change."""

    directory: Path

    @property
    def data(self) -> Path:
        """What PostgreSQL calls its data directory."""
        return self.directory / "cluster"

    @property
    def exists(self) -> bool:
        """Whether it was created; a half-made one has another name."""
        return self.data.is_dir()

    @property
    def major(self) -> int | None:
        """The PostgreSQL version that can open it, None for a cluster yet to be created.

        Raises:
            ConfigurationError: The directory does not say, so it is no intact cluster.
        """
        if not self.exists:
            return None
        try:
            return int((self.data / "PG_VERSION").read_text().strip())
        except (OSError, ValueError) as exc:
            raise ConfigurationError(f"{self.data} is no PostgreSQL data directory; move it away") from exc

    async def create(
        self, installation: PostgresInstallation, account: Account | None, password: str, *, sync: bool
    ) -> None:
        """Run ``initdb``.

        Args:
            installation: Whose ``initdb``.
            account: Who owns the cluster; None for who we are.
            password: The superuser's.
            sync: Wait until all of it is on the disk.

        Raises:
            ConfigurationError: It failed; the text has the end of its log.
        """
        partial, password_file = self.directory / "cluster.partial", self.directory / "initdb.password"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        password_file.unlink(missing_ok=True)
        write_secret(password_file, password)
        if account is not None:
            os.chown(partial, account.uid, account.gid)
            os.chown(password_file, account.uid, account.gid)
        command = ServerCommand(
            name="initdb",
            arguments=(
                installation.program("initdb"),
                *("--pgdata=.", "--locale=C", "--encoding=UTF8", "--no-instructions"),
                *(f"--username={SUPERUSER}", f"--pwfile={password_file}", "--auth=scram-sha-256"),
                *(() if sync else ("--no-sync",)),
            ),
            directory=partial,
            log=self.directory / "initdb.log",
            account=account,
            death_signal=signal.SIGTERM,
        )
        try:
            await _run(command)
            partial.rename(self.data)
        finally:
            password_file.unlink(missing_ok=True)

    def command(
        self, installation: PostgresInstallation, account: Account | None, port: int, lock: int
    ) -> ServerCommand:
        """How to run the server on this cluster."""
        rules = self.directory / "pg_hba.conf"
        rules.write_text(_ACCESS_RULES)
        rules.chmod(0o644)
        settings: dict[str, object] = {
            "listen_addresses": LOOPBACK,
            "port": port,
            "unix_socket_directories": "",
            "hba_file": rules,
            "track_commit_timestamp": "on",
            "max_wal_size": f"{_wal_mebibytes(self.directory)}MB",
            "timezone": "UTC",
            # Errors, their statements and details quote the values that people sent us. The client gets them anyway,
            # the log only what happens to the server: in this scale, LOG stands above ERROR.
            "log_min_messages": "log",
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
        }
        if installation.major >= 16:
            settings["createrole_self_grant"] = "set, inherit"  # what creating a role meant before 16
        return ServerCommand(
            name="PostgreSQL",
            arguments=(
                installation.program("postgres"),
                *("-D", str(self.data)),
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
            ),
            directory=self.data,
            log=self.directory / "postgres.log",
            account=account,
            death_signal=signal.SIGINT,  # a fast, clean shutdown
            descriptors=(lock,),
        )

    def is_ready(self, process: int) -> bool:
        """Whether the server with this process id says that it takes connections."""
        lines = self._status()
        return lines[:1] == [str(process)] and lines[7:8] == ["ready"]

    def release_from_dead_server(self) -> None:
        """Remove the mark of a server that is gone but whose process id somebody else now has.

        PostgreSQL itself recovers from a mark whose process id nobody has.

        Raises:
            ConfigurationError: A server that we did not start is running on this cluster.
        """
        lines = self._status()
        if not lines or not lines[0].isdigit():
            return
        with suppress(OSError):
            if Path(f"/proc/{lines[0]}/cwd").readlink() == self.data.resolve():
                raise ConfigurationError(
                    f"process {lines[0]} runs PostgreSQL on {self.data}; stop it or choose another data directory"
                )
            (self.data / "postmaster.pid").unlink()

    def _status(self) -> list[str]:
        with suppress(OSError):
            return [line.strip() for line in (self.data / "postmaster.pid").read_text().splitlines()]
        return []


async def _run(command: ServerCommand) -> None:
    process = await ServerProcess.start(command)
    try:
        code = await asyncio.wait_for(process.wait(), INITDB_LIMIT.total_seconds())
    except TimeoutError:
        raise process.not_ready(INITDB_LIMIT) from None
    finally:
        await process.stop((signal.SIGTERM, timedelta(seconds=5)))
    if code != 0:
        raise process.exited(code)


def _wal_mebibytes(directory: Path) -> int:
    quarter = shutil.disk_usage(directory).free >> 22
    return max(WAL_MEBIBYTES_LEAST, min(WAL_MEBIBYTES, quarter))
