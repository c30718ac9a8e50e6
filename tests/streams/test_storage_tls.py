"""PostgreSQL over TLS, as a bank runs it. The server is real."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit, urlunsplit

import asyncpg
import pytest

from schemas.errors import StorageError
from streams.embedded import DataDirectory, EmbeddedPostgres
from streams.storage.database import Database
from streams.storage.migrate import migrate
from streams.storage.revision import check_migrated
from tests.support.certificates import Authority, Certificate

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Server:
    """A database server whose certificate can be changed."""

    directory: Path
    dsn: str

    def url(self, *, host: str = LOOPBACK, **parameters: str) -> str:
        """The application's URL with libpq's parameters."""
        parts = urlsplit(self.dsn)
        at = parts.netloc.replace(LOOPBACK, host)
        return urlunsplit(parts._replace(netloc=at, query=urlencode({"sslmode": "verify-full", **parameters})))

    async def show(self, certificate: Certificate | None) -> None:
        """Let the server show a certificate from now on, or speak no TLS."""
        await self._as_superuser(f"ALTER SYSTEM SET ssl = {'off' if certificate is None else 'on'}")
        if certificate is not None:
            for setting, file in (("ssl_cert_file", certificate.certificate), ("ssl_key_file", certificate.key)):
                await self._as_superuser(f"ALTER SYSTEM SET {setting} = '{self._place(file)}'")
        await self.reload()

    async def ask_for_certificates_of(self, authority: Authority) -> None:
        """Let in whom this authority knows, and nobody else."""
        await self._as_superuser(f"ALTER SYSTEM SET ssl_ca_file = '{self._place(authority.file)}'")
        rules = self.directory / "pg_hba.conf"
        lines = ["hostnossl all postgres 127.0.0.1/32 scram-sha-256"]
        lines += ["hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca"]
        rules.write_text("\n".join(lines) + "\n")
        await self.reload()

    async def reload(self) -> None:
        """Read the configuration again; returns when new connections meet it."""
        since = await self._as_superuser("SELECT pg_conf_load_time()")
        await self._as_superuser("SELECT pg_reload_conf()")
        while await self._as_superuser("SELECT pg_conf_load_time()") == since:
            pass

    def _place(self, file: Path) -> Path:
        """A copy that the server, which may be another user, can read and nobody else."""
        owner = (self.directory / "cluster").stat()
        placed = self.directory / "cluster" / f"{file.parent.name}-{file.name}"
        shutil.copyfile(file, placed)
        placed.chmod(0o600)
        os.chown(placed, owner.st_uid, owner.st_gid)
        return placed

    async def _as_superuser(self, statement: str) -> object:
        parts = urlsplit(self.dsn)
        password = (self.directory / "superuser.password").read_text().strip()
        connection = await asyncpg.connect(
            host=parts.hostname, port=parts.port, user="postgres", password=password, database="postgres", ssl=False
        )
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[Server]:
    with DataDirectory() as directory:
        async with EmbeddedPostgres(directory / "postgres", temporary=True) as postgres:
            await migrate(postgres.dsn)
            yield Server(directory / "postgres", postgres.dsn)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "authority")


async def connect(dsn: str) -> None:
    async with Database(dsn, name="test", connections=1) as database, database.session() as connection:
        assert await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") is True


WAYS_IN = [
    pytest.param(connect, id="worker"),
    pytest.param(migrate, id="migrate"),
    pytest.param(check_migrated, id="check"),
]


@pytest.mark.parametrize("way_in", WAYS_IN)
async def test_a_verified_server_is_used_and_any_other_refused(
    server: Server, authority: Authority, tmp_path: Path, way_in: Callable[[str], Awaitable[None]]
) -> None:
    async def refused(match: str, **parameters: str) -> None:
        with pytest.raises(StorageError, match=match) as caught:
            await way_in(server.url(**parameters))
        assert (urlsplit(server.dsn).password or "?") not in str(caught.value)

    ours = str(authority.file)
    await server.show(authority.sign("server", hosts=(LOOPBACK,)))
    await way_in(server.url(sslrootcert=ours))
    await refused("another host name.*the host in", host="localhost", sslrootcert=ours)
    await refused("whom we trust; check sslrootcert", sslrootcert=str(Authority(tmp_path / "other", "Other").file))
    await refused("SEALSTREAM_DATABASE_URL", sslrootcert=str(tmp_path / "missing.pem"))

    await server.show(authority.sign("old", hosts=(LOOPBACK,), days=-1))
    await refused("has expired", sslrootcert=ours)

    await server.show(None)
    await refused("speaks no TLS", sslrootcert=ours)


async def test_a_certificate_of_ours_is_shown_where_the_server_asks_for_one(
    server: Server, authority: Authority
) -> None:
    await server.show(authority.sign("server", hosts=(LOOPBACK,)))
    await server.ask_for_certificates_of(authority)
    ours = authority.sign("sealstream")
    with pytest.raises(StorageError, match="does not let us in; check user, password and certificate"):
        await connect(server.url(sslrootcert=str(authority.file)))
    await connect(server.url(sslrootcert=str(authority.file), sslcert=str(ours.certificate), sslkey=str(ours.key)))
