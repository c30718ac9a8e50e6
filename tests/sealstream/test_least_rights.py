"""The whole path, each role as a Kafka user of its own with the rights that docs/deployment.md lists; and one less."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import TransactionalIdAuthorizationFailed
from pydantic import SecretStr

from agents.keys.registrar import Registrar
from agents.platform.knowledge import load_knowledge
from deploy.kafka.installation import KafkaInstallation
from schemas.errors import ConfigurationError
from sealstream.feeds import FeedItem
from sealstream.producing.publish import PublishFailed, publish
from sealstream.running.supervisor import worker_processes
from sealstream.settings import Settings, load_settings
from sealstream.wiring import connected, create_all_topics, open_identity, required_kafka
from streams.embedded.process import ServerExited
from streams.storage import progress
from streams.storage.relaying import relay_lag
from tests.support.databases import Databases
from tests.support.forked_programs import forked_programs
from tests.support.installation import BANK_A
from tests.support.messages import transaction
from tests.support.rights import Resource, Right, documented_rights, grant
from tests.support.secure_kafka import SecureKafka, password_of, secure_cluster

PATIENCE = 120
RIGHTS = documented_rights()


def without(role: str, resource: Resource, name: str) -> tuple[str, list[Right]]:
    """A user with the rights of a role but for one resource."""
    rest = [right for right in RIGHTS[role] if (right.resource, right.name) != (resource, name)]
    assert len(rest) < len(RIGHTS[role])
    return f"{role}-without-{name.strip('.')}", rest


LACKING = dict(
    [
        without("produce", Resource.TOPIC, "transactions"),
        without("intake", Resource.TOPIC, "transactions"),
        without("intake", Resource.GROUP, "sealstream"),
        without("relay", Resource.TRANSACTIONAL_ID, "sealstream-relay"),
        without("topics", Resource.TOPIC, "audit."),
    ]
)


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform with its topics and one registered producer."""

    secure: SecureKafka
    settings: Settings

    def as_user(self, name: str) -> Settings:
        """The settings of one role's process."""
        return self.settings.model_copy(update={"kafka_username": name, "kafka_password": SecretStr(password_of(name))})

    async def publish(self, user: str, *items: FeedItem) -> int:
        """Publish signed messages as a user; returns how many."""
        kafka = required_kafka(self.as_user(user))
        report = await publish(items, kafka=kafka, source=BANK_A.source, signer=BANK_A.signer)
        return report.messages


@pytest.fixture(scope="module")
async def secure(
    kafka_installation: KafkaInstallation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SecureKafka]:
    users = RIGHTS | LACKING
    found = secure_cluster(tmp_path_factory.mktemp("rights"), kafka_installation, list(users))
    async with found.cluster:
        for user, rights in users.items():
            await grant(found.cluster.bootstrap_servers, user, rights)
        yield found


@pytest.fixture(autouse=True)
def _forked() -> Iterator[None]:
    """What is shown is what a broker lets workers do, and not how they are started."""
    with forked_programs():
        yield


@pytest.fixture
async def platform(secure: SecureKafka, dsn: str, tmp_path: Path) -> Platform:
    settings = load_settings(
        database_url=SecretStr(dsn),
        data_dir=tmp_path,
        kafka_bootstrap=secure.cluster.address("SCRAM"),
        log_origin=f"{tmp_path.name}/logs",  # what earlier tests published is of other logs
        kafka_protocol="SASL_SSL",
        kafka_sasl_mechanism="SCRAM-SHA-512",
        kafka_ca_file=secure.authority.file,
        session_timeout=timedelta(seconds=2),
        partitions=1,
    )
    async with connected(settings, "test") as database:
        await Registrar(database, open_identity(settings)).register(BANK_A.new_key())
        await load_knowledge(database, open_identity(settings))
    found = Platform(secure, settings)
    await create_all_topics(found.as_user("topics"), [BANK_A.tenant, "platform"])
    return found


async def test_every_role_works_with_its_documented_rights(platform: Platform, databases: Databases) -> None:
    items = [transaction(f"t{number}") for number in range(30)]
    async with asyncio.timeout(PATIENCE):
        assert await platform.publish("produce", *items) == len(items)
        async with (
            worker_processes(platform.as_user("intake"), [["intake"]]),
            worker_processes(platform.as_user("sequence"), [["sequence"]]),
            worker_processes(platform.as_user("relay"), [["relay"]]),
            connected(platform.settings, "test") as database,
            database.session() as connection,
        ):
            while (  # noqa: ASYNC110
                await progress.consumed(connection, platform.settings.group) < len(items)
                or await progress.unsequenced_commits(connection)
                or await relay_lag(connection)
            ):
                await asyncio.sleep(0.05)

        bootstrap = platform.secure.cluster.bootstrap_servers
        async with AIOKafkaConsumer(
            f"results.{BANK_A.tenant}",
            bootstrap_servers=bootstrap,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        ) as consumer:
            notices = [await consumer.getone() for _ in items]
    assert len({notice.key for notice in notices}) == len(items)


async def test_a_producer_without_write_is_told(platform: Platform) -> None:
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(PublishFailed, match="WRITE"):
            await platform.publish("produce-without-transactions", transaction("t"))


async def test_creating_topics_without_create_is_told(platform: Platform) -> None:
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ConfigurationError, match=r"audit\.somebody .*CREATE"):
            await create_all_topics(platform.as_user("topics-without-audit"), ["somebody"])


@pytest.mark.parametrize(
    ("user", "match"),
    [
        pytest.param("intake-without-transactions", "grant READ", id="read on a topic"),
        pytest.param("intake-without-sealstream", "GroupAuthorizationFailedError", id="read on the group"),
        pytest.param("relay", "grant READ", id="another role's user"),
    ],
)
async def test_an_intake_without_a_right_ends_and_says_what_to_check(platform: Platform, user: str, match: str) -> None:
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ServerExited, match=match):
            async with worker_processes(platform.as_user(user), [["intake"]]):
                pass


async def test_a_relay_that_is_not_let_in_ends_and_says_what_to_check(platform: Platform) -> None:
    stranger = platform.as_user("relay").model_copy(update={"kafka_password": SecretStr("wrong")})
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ServerExited, match="check user name and password"):
            async with worker_processes(stranger, [["relay"]]):
                pass


async def test_a_transactional_id_is_a_right_of_its_own(platform: Platform) -> None:
    name = f"sealstream-relay {platform.settings.log_origin}"
    allowed = required_kafka(platform.as_user("relay")).client_options()
    refused = required_kafka(platform.as_user("relay-without-sealstream-relay")).client_options()
    async with asyncio.timeout(PATIENCE):
        async with AIOKafkaProducer(**allowed, transactional_id=name) as producer, producer.transaction():
            await producer.send_and_wait("audit.platform", b"{}")
        producer = AIOKafkaProducer(**refused, transactional_id=name)
        with pytest.raises(TransactionalIdAuthorizationFailed):
            await producer.start()
        await producer.stop()
