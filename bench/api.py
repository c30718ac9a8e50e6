"""The REST API over HTTPS: a list of 100 records, a single record, and a classification, at 10, 50 and 100 clients.

    python -m bench.api [--seconds 5] [--records 2000] [--keys-in-process]

The server is `sealstream api` in a process of its own, with its keys in another one (`sealstream release`), PostgreSQL
a third one, and all clients are this process: they share this machine's cores, so what is measured is less than what
the servers could do alone. Each read is a look that is durable in the log before it is answered. Milliseconds are wall
clock; CPU time a request stands beside, of the API and of the key release.
"""

import argparse
import asyncio
import datetime as dt
import os
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from agents.access.registrar import AccessRegistrar
from bench.filling import processed_frame
from bench.intake import open_intake
from bench.search import percentile
from bench.servers import DOMAIN, TENANT, running_servers
from sealstream.running.supervisor import kept_process
from sealstream.settings import Settings
from security.access.person import Person
from security.access.principal import Action, Role
from streams.storage.database import Database

FRAME: Final = 500
CLIENTS: Final = (10, 50, 100)
WARM_UP_SECONDS: Final = 1.0
BODY: Final = {
    "amount": "12.50",
    "credit_debit": "DBIT",
    "remittance_information": "Card payment SUPERMARKET 0815",
    "counterparty_name": "Supermarket",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """What some clients got.

    Attributes:
        took: Milliseconds of each request, in order of size.
        failed: Answers other than 200.
        cpu: Of each of our processes, milliseconds a request.
    """

    took: list[float]
    seconds: float
    failed: int
    cpu: list[float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each row")
    parser.add_argument("--records", type=int, default=2_000, help="in the database")
    parser.add_argument("--keys-in-process", action="store_true", help="the API holds the keys, without a release")
    options = parser.parse_args()
    asyncio.run(measure(options.seconds, options.records, released=not options.keys_in_process))


async def measure(seconds: float, records: int, *, released: bool) -> None:
    """Fill a database, serve it, and ask.

    Args:
        released: The keys are in a process of their own.
    """
    async with running_servers() as servers, servers.database("api") as dsn, Database(dsn, name="api") as database:
        intake = await open_intake(database, servers.settings, group="api", cluster="api")
        made = list(servers.records(records))
        for first in range(0, records, FRAME):
            frame = await processed_frame(intake, made[first : first + FRAME], first)
            await intake.committer.commit([frame])
        key = await _key(AccessRegistrar(database, intake.identity, actor="bench"))
        async with database.session() as connection:
            await connection.execute("ANALYZE")
            record = await connection.fetchval("SELECT record_id FROM results LIMIT 1")
        settings = servers.settings.model_copy(
            update={"database_url": SecretStr(dsn), "api_rate": 1e6, "api_tenant_rate": 1e6}
        )
        async with _served(settings, released=released) as (url, pids, trusted):
            print(f"{os.cpu_count()} cores shared with the database and the clients, load {os.getloadavg()[0]:.1f}")
            print(f"{'':22}{'clients':>8}{'ops/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'cpu ms':>14}{'failed':>8}")
            asked: dict[str, Callable[[aiohttp.ClientSession], Any]] = {
                "list of 100": lambda session: session.get(f"{url}/v1/records?purpose=casework&limit=100"),
                "single record": lambda session: session.get(f"{url}/v1/records/{record}?purpose=casework"),
                "classify": lambda session: session.post(f"{url}/v1/classify", json=BODY),
            }
            for name, ask in asked.items():
                for clients in CLIENTS:
                    found = await _clients(ask, clients, seconds, key, trusted, pids)
                    cpu = " + ".join(f"{each:.2f}" for each in found.cpu)
                    p50, p99 = percentile(found.took, 0.5), percentile(found.took, 0.99)
                    print(
                        f"{name:22}{clients:8}{len(found.took) / found.seconds:9.0f}{p50:9.1f}{p99:9.1f}"
                        f"{cpu:>14}{found.failed:8}",
                        flush=True,
                    )


async def _key(registrar: AccessRegistrar) -> str:
    person = Person(person="reader", tenant=TENANT, department=DOMAIN, roles=frozenset({Role.READER}), tier=3)
    await registrar.grant(person)
    text, _ = await registrar.add_key(
        "reader", tier=3, actions=[Action.READ], projects=None, lifetime=dt.timedelta(days=1)
    )
    return text


@asynccontextmanager
async def _served(settings: Settings, *, released: bool) -> AsyncIterator[tuple[str, list[int], ssl.SSLContext]]:
    with tempfile.TemporaryDirectory(prefix="sealstream-bench-api-") as name:
        directory, processes = Path(name), []
        socket = directory / "release" / "socket"
        certificate, key = self_signed(directory)
        arguments = ["--listen", "127.0.0.1:0", "--tls-cert", str(certificate), "--tls-key", str(key)]
        quiet = settings.model_copy(update={"log_level": "warning"})
        if released:
            processes.append(kept_process(quiet, directory, "release", ["release", "--socket", str(socket)]))
            quiet = quiet.model_copy(update={"release": (f"*/*/1-5 {socket}",)})
        processes.append(kept_process(quiet, directory, "api", ["api", *arguments]))
        try:
            for each in processes:
                await each.start()
                await each.until_ready()
            url = (directory / "api.ready").read_text().strip()
            pids = [each.pid for each in reversed(processes)]
            yield url, pids, ssl.create_default_context(cafile=str(certificate))
        finally:
            await asyncio.gather(*(each.stop() for each in processes))


async def _clients(
    ask: Callable[[aiohttp.ClientSession], Any],
    count: int,
    seconds: float,
    key: str,
    trusted: ssl.SSLContext,
    pids: list[int],
) -> Measured:
    took: list[float] = []
    failed = 0
    headers = {"Authorization": f"Bearer {key}"}
    connector = aiohttp.TCPConnector(limit=count, ssl=trusted)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def one(until: float, kept: list[float]) -> None:
            nonlocal failed
            while (began := time.perf_counter()) < until:
                async with ask(session) as answer:
                    await answer.read()
                    failed += answer.status != 200
                kept.append((time.perf_counter() - began) * 1000)

        await asyncio.gather(*(one(time.perf_counter() + WARM_UP_SECONDS, []) for _ in range(count)))
        failed, before, began = 0, [_cpu(pid) for pid in pids], time.perf_counter()
        await asyncio.gather(*(one(began + seconds, took) for _ in range(count)))
        lasted = time.perf_counter() - began
    cpu = [(_cpu(pid) - used) * 1000 / len(took) for pid, used in zip(pids, before, strict=True)]
    return Measured(sorted(took), lasted, failed, cpu)


def _cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def self_signed(directory: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate, key = directory / "cert.pem", directory / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.touch(mode=0o600)
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate, key


if __name__ == "__main__":
    main()
