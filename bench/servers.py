"""The embedded database and brokers of a benchmark, and a fresh database for each run."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import asyncpg
from pydantic import SecretStr

from agents.platform import load_knowledge
from bench.records import SOURCE, SignedRecord, publish
from sealstream.producer_keys import make_private_key, register
from sealstream.settings import Settings
from sealstream.wiring import connected, create_all_topics, keyring_dir, open_identity, prepare_database
from security.signing import Signer
from streams.embedded import DataDirectory, EmbeddedBroker, EmbeddedPostgres
from streams.embedded.cluster import SUPERUSER
from streams.embedded.credentials import Credentials
from streams.embedded.postgres import ROLE
from streams.kafka import KafkaAccess
from streams.topics import TopicSpec, create_topics

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

    @asynccontextmanager
    async def database(self, name: str) -> AsyncIterator[str]:
        """A copy of the template; gives its DSN, and is dropped at the end.

        A copy for each run, because a record that a database has seen is a duplicate to it.
        """
        superuser, template = await self._superuser(), urlsplit(self.postgres.dsn).path.lstrip("/")
        try:
            await superuser.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {ROLE}")
            try:
                yield self.postgres.dsn.removesuffix(template) + name
            finally:
                await superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")  # which also ends in a checkpoint
        finally:
            await superuser.close()

    async def _superuser(self) -> "asyncpg.Connection[asyncpg.Record]":
        assert self.settings.data_dir is not None
        at = urlsplit(self.postgres.dsn)
        password = Credentials.load(self.settings.data_dir / "postgres").superuser
        return await asyncpg.connect(
            host=at.hostname, port=at.port, user=SUPERUSER, password=password, database="postgres"
        )


@dataclass(frozen=True, slots=True)
class Feed:
    """A broker that holds the records.

    Attributes:
        topics: Number of records to the topic that has so many.
    """

    broker: EmbeddedBroker
    topics: Mapping[int, str]


@asynccontextmanager
async def running_servers(settings: Settings) -> AsyncIterator[Servers]:
    """Start the database server and prepare the template."""
    async with AsyncExitStack() as stack:
        directory: Path = stack.enter_context(DataDirectory(settings.data_dir))
        postgres = await stack.enter_async_context(EmbeddedPostgres(directory / "postgres", temporary=True))
        named = settings.model_copy(update={"data_dir": directory, "database_url": SecretStr(postgres.dsn)})
        await prepare_database(named)
        signer = make_private_key(keyring_dir(named), PRODUCER)
        async with connected(named, "bench") as database:
            await register(database, PRODUCER, signer.public_key, tenant=TENANT, domain=DOMAIN, sources=[SOURCE])
            await load_knowledge(database, open_identity(named))
        yield Servers(named, signer, postgres)


@asynccontextmanager
async def filled_broker(
    servers: Servers, records: Sequence[SignedRecord], sizes: Sequence[int], empty: Sequence[str] = ()
) -> AsyncIterator[Feed]:
    """Start a broker, and publish the first so many records to a topic for each size.

    Args:
        servers: Whose tenants get outgoing topics.
        records: All records.
        sizes: How many of them.
        empty: Further inbound topics.
    """
    directory = servers.settings.data_dir
    assert directory is not None
    async with EmbeddedBroker(directory / "broker") as broker:
        topics = {size: f"records-{size}" for size in sorted(set(sizes))}
        named = servers.settings.model_copy(update={"kafka_bootstrap": broker.bootstrap_servers})
        await create_all_topics(named, [TENANT, "platform"])
        specs = [TopicSpec(topic, named.partitions) for topic in (*topics.values(), *empty)]
        await create_topics(KafkaAccess(broker.bootstrap_servers), specs)
        for size, topic in topics.items():
            await publish(broker.bootstrap_servers, topic, records[:size])
        await asyncio.sleep(0.2)  # the client's last connections close
        yield Feed(broker, topics)
