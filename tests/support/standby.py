"""A streaming standby of an embedded server, made with pg_basebackup; the primary waits for it when told to."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from streams.embedded import EmbeddedPostgres
from streams.embedded.account import Account
from streams.embedded.installation import default_search_path, find_installation
from streams.embedded.port import LOOPBACK, pick_port
from tests.support.processes import descendants

NAME = "standby_one"


@dataclass
class Pair:
    """A primary and its standby."""

    primary: EmbeddedPostgres
    directory: Path
    standby_port: int
    password: str
    account: Account | None
    programs: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def standby_dsn(self) -> str:
        """The application's way to the standby, once it is promoted."""
        return self.primary.dsn.replace(f":{urlsplit(self.primary.dsn).port}/", f":{self.standby_port}/")

    async def as_superuser(self, *statements: str, standby: bool = False) -> object:
        """Run statements one after the other; returns the last one's value."""
        port = self.standby_port if standby else urlsplit(self.primary.dsn).port
        connection = await asyncpg.connect(
            host=LOOPBACK, port=port, user="postgres", password=self.password, database="postgres"
        )
        try:
            return [await connection.fetchval(statement) for statement in statements][-1]
        finally:
            await connection.close()

    async def wait_for_standby(self, *, yes: bool) -> None:
        """Whether commits on the primary wait for the standby."""
        names = NAME if yes else ""
        await self.as_superuser(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'", "SELECT pg_reload_conf()")
        async with asyncio.timeout(30):
            while await self.as_superuser("SHOW synchronous_standby_names") != names:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def cut_off(self) -> None:
        """The primary goes on alone: the standby's connection ends, and it is let in no more."""
        rules = self.primary._directory / "pg_hba.conf"
        rules.write_text("".join(line for line in rules.open() if "replication" not in line))
        await self.as_superuser("SELECT pg_reload_conf()")
        async with asyncio.timeout(30):
            while await self.as_superuser(  # noqa: ASYNC110
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_replication"
            ):
                await asyncio.sleep(0.1)

    async def caught_up(self) -> None:
        """The standby has replayed all that the primary wrote."""
        query = "SELECT coalesce(bool_and(replay_lsn >= pg_current_wal_lsn()), false) FROM pg_stat_replication"
        async with asyncio.timeout(30):
            while not await self.as_superuser(query):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    def pause(self) -> None:
        """The standby stops answering, as behind a dead network: its receiver and all."""
        assert self.process is not None
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        for pid in self._family():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def end(self) -> None:
        """Stop the standby's server."""
        assert self.process is not None
        self.resume()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _family(self) -> list[int]:
        assert self.process is not None
        return [self.process.pid, *(pid for pid, _ in descendants(self.process.pid))]

    async def promote(self) -> None:
        """The standby becomes a primary of its own."""
        await self.as_superuser("SELECT pg_promote()", standby=True)


@asynccontextmanager
async def pair(directory: Path, primary: EmbeddedPostgres) -> AsyncIterator[Pair]:
    """Give a running primary a standby that streams from it."""
    account = Account.unprivileged("postgres", "nobody")
    place = primary._directory
    installation = find_installation(default_search_path(), None).reachable_by(account, directory)
    found = Pair(
        primary,
        directory / "standby",
        pick_port(),
        (place / "superuser.password").read_text().strip(),
        account,
        Path(installation.program("postgres")).parent,
    )
    # "all" as a database does not mean replication. The embedded server reads these rules anew at each start.
    with (place / "pg_hba.conf").open("a") as rules:
        rules.write(f"host replication all {LOOPBACK}/32 scram-sha-256\n")
    await found.as_superuser("SELECT pg_reload_conf()")
    await asyncio.to_thread(_start, found)
    try:
        async with asyncio.timeout(60):
            while not await found.as_superuser("SELECT count(*) FROM pg_stat_replication"):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        yield found
    finally:
        found.end()


def _start(found: Pair) -> None:
    """Copy the primary and run a server on the copy."""
    found.directory.mkdir(mode=0o700)
    identity: dict[str, Any] = {}
    if found.account is not None:
        os.chown(found.directory, found.account.uid, found.account.gid)
        identity = {"user": found.account.uid, "group": found.account.gid, "extra_groups": []}
    port = urlsplit(found.primary.dsn).port
    source = f"host={LOOPBACK} port={port} user=postgres password={found.password} application_name={NAME}"
    done = subprocess.run(
        [
            *(str(found.programs / "pg_basebackup"), "-D", str(found.directory), "-d", source),
            *("-R", "-X", "stream", "-c", "fast"),
        ],
        cwd=found.directory,
        capture_output=True,
        text=True,
        check=False,
        **identity,
    )
    assert done.returncode == 0, done.stderr
    rules = found.primary._directory / "pg_hba.conf"
    found.process = subprocess.Popen(
        [
            *(str(found.programs / "postgres"), "-D", str(found.directory)),
            *("-c", f"port={found.standby_port}", "-c", f"listen_addresses={LOOPBACK}"),
            *("-c", "unix_socket_directories=", "-c", f"hba_file={rules}"),
        ],
        cwd=found.directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **identity,
    )
