"""The embedded database server of a benchmark, a fresh database for each run, and topics full of records."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import asyncpg
from pydantic import SecretStr

from agents.keys.registrar import NewKey, Registrar
from agents.platform.knowledge import load_knowledge
from bench.brokers import Broker, BrokerKind, running_broker
from bench.publishing import publish
from bench.records import SOURCE, Payload, SignedRecord, signed_records
from sealstream.oneshot.job import OWN_SERVERS
from sealstream.producing.producer_keys import make_private_key
from sealstream.settings import Settings, load_settings
from sealstream.wiring import connected, create_all_topics, keyring_dir, open_identity, prepare_database
from security.signing import Signer
from streams.embedded import DataDirectory, EmbeddedPostgres
from streams.embedded.cluster import SUPERUSER
from streams.embedded.credentials import Credentials
from streams.embedded.postgres import ROLE

PRODUCER: Final = "bench"
TENANT: Final = "bank-a"
DOMAIN: Final = "payments"


@dataclass(frozen=True, slots=True)
class Servers:
    """A running database server with a template: migrated, the producer registered, all keys made.

    Attributes:
        settings: Name the directory, and the template as the database.
        signer: The registered producer's.
    """

    settings: Settings
    signer: Signer
    postgres: EmbeddedPostgres

    @property
    def directory(self) -> Path:
        """Where everything of this benchmark lies."""
        assert self.settings.data_dir is not None
        return self.settings.data_dir

    def records(self, count: int, payload: Payload = Payload.BRIEF) -> Iterator[SignedRecord]:
        """Records of the registered producer, signed as they are taken."""
        return signed_records(count, self.signer, payload)

    @asynccontextmanager
    async def database(self, name: str) -> AsyncIterator[str]:
        """A copy of the template; gives its DSN, and is dropped at the end.

        A copy for each run, because a record that a database has seen is a duplicate to it.
        """
        superuser, template = await self.superuser(), urlsplit(self.postgres.dsn).path.lstrip("/")
        try:
            await superuser.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {ROLE}")
            try:
                yield self.postgres.dsn.removesuffix(template) + name
            finally:
                await superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")  # which also ends in a checkpoint
        finally:
            await superuser.close()

    async def superuser(self, database: str = "postgres") -> "asyncpg.Connection[asyncpg.Record]":
        """A connection that may do everything."""
        at = urlsplit(self.postgres.dsn)
        password = Credentials.load(self.directory / "postgres").superuser
        return await asyncpg.connect(
            host=at.hostname, port=at.port, user=SUPERUSER, password=password, database=database
        )

    @asynccontextmanager
    async def broker(self, kind: BrokerKind | None) -> AsyncIterator[Broker]:
        """A broker with the tenants' outgoing topics; what it wrote is gone at the end."""
        directory = self.directory / "broker"
        try:
            async with running_broker(kind, directory) as broker:
                await create_all_topics(broker.settings(self.settings), [TENANT, "platform"])
                yield broker
        finally:
            shutil.rmtree(directory, ignore_errors=True)


@asynccontextmanager
async def running_servers() -> AsyncIterator[Servers]:
    """Start the database server and prepare the template.

    Always servers of its own: what the environment names may be somebody's data.
    """
    settings = load_settings(env="development", **OWN_SERVERS)
    async with AsyncExitStack() as stack:
        directory: Path = stack.enter_context(DataDirectory(settings.data_dir))
        postgres = await stack.enter_async_context(EmbeddedPostgres(directory / "postgres", temporary=True))
        named = settings.model_copy(update={"data_dir": directory, "database_url": SecretStr(postgres.dsn)})
        await prepare_database(named)
        signer = make_private_key(keyring_dir(named), PRODUCER)
        async with connected(named, "bench") as database:
            identity = open_identity(named)
            new = NewKey(name=PRODUCER, jwk=signer.jwk, tenant=TENANT, domain=DOMAIN, sources=[SOURCE])
            await Registrar(database, identity).register(new)
            await load_knowledge(database, identity)
        yield Servers(named, signer, postgres)


@dataclass(frozen=True, slots=True)
class Feed:
    """A broker that holds records.

    Attributes:
        topics: A payload and a number of its records to the topic that has them.
    """

    broker: Broker
    topics: Mapping[tuple[Payload, int], str]


async def fill(
    broker: Broker, partitions: int, records: Mapping[Payload, Sequence[SignedRecord]], sizes: set[tuple[Payload, int]]
) -> Feed:
    """Publish the first so many records of a payload to a topic for each size."""
    topics = {(payload, size): f"{payload}-{size}" for payload, size in sorted(sizes)}
    await broker.create_topics(topics.values(), partitions)
    for (payload, size), topic in topics.items():
        await publish(broker.bootstrap_servers, topic, records[payload][:size])
    await asyncio.sleep(0.2)  # the client's last connections close
    return Feed(broker, topics)
