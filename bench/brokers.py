"""The broker of a measurement: Apache Kafka, which is what production uses, or the embedded one. Reports say which."""

import datetime as dt
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from deploy.kafka import KafkaCluster, KafkaMissing, find_installation
from schemas.errors import ConfigurationError
from sealstream.running.embedded import EMBEDDED_FETCH_WAIT
from sealstream.settings import Settings
from streams.embedded import EmbeddedBroker

# Both compilers, since it runs for minutes; a heap that leaves the machine's memory to the page cache.
JVM: Final = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC")
# A group joins after half of it; a worker that is starved for longer than two thirds of it is thrown out.
EMBEDDED_SESSION: Final = dt.timedelta(seconds=4)
_CLIENTS_JAR: Final = "kafka-clients-"


class BrokerKind(StrEnum):
    """Which one."""

    KAFKA = "kafka"
    EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class Broker:
    """A running one.

    Attributes:
        name: With its version, for the report.
        stamps_on_append: Whether a topic's records can carry the time of their append; the producer's otherwise.
    """

    kind: BrokerKind
    name: str
    bootstrap_servers: str
    pid: int
    stamps_on_append: bool

    def settings(self, settings: Settings) -> Settings:
        """Settings of workers that read from it."""
        if self.kind is BrokerKind.KAFKA:
            own = {name: Settings.model_fields[name].default for name in ("fetch_max_wait", "session_timeout")}
        else:
            own = {"fetch_max_wait": EMBEDDED_FETCH_WAIT, "session_timeout": EMBEDDED_SESSION}
        return settings.model_copy(update={**own, "kafka_bootstrap": self.bootstrap_servers})

    async def create_topic(self, name: str, partitions: int) -> None:
        """Create an inbound topic, stamped on append where that can be had.

        Raises:
            ConfigurationError: The broker refuses.
        """
        stamp = {"message.timestamp.type": "LogAppendTime"} if self.stamps_on_append else {}
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        await admin.start()
        try:
            answer = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=stamp)])
        finally:
            await admin.close()
        for _, code, *_ in answer.topic_errors:
            if code and for_code(code) is not TopicAlreadyExistsError:
                raise ConfigurationError(f"topic {name} can't be created: {for_code(code).__name__}")

    async def create_topics(self, names: Iterable[str], partitions: int) -> None:
        """Create several."""
        for name in names:
            await self.create_topic(name, partitions)


def chosen(kind: BrokerKind | None) -> BrokerKind:
    """The one that was asked for, or Kafka where it can be had."""
    if kind is not None:
        return kind
    try:
        find_installation()
    except KafkaMissing:
        return BrokerKind.EMBEDDED
    return BrokerKind.KAFKA


@asynccontextmanager
async def running_broker(kind: BrokerKind | None, directory: Path) -> AsyncIterator[Broker]:
    """Start a broker of its own for a measurement, empty.

    Args:
        kind: None for Kafka where it can be had.
        directory: For its data.

    Raises:
        ConfigurationError: It can't be started.
    """
    if chosen(kind) is BrokerKind.KAFKA:
        installation = find_installation()
        version = next(jar.stem.removeprefix(_CLIENTS_JAR) for jar in installation.jars if _CLIENTS_JAR in jar.stem)
        async with KafkaCluster(directory, jvm=JVM, installation=installation) as cluster:
            name = f"Apache Kafka {version}, one broker, {JVM[1].removeprefix('-Xmx')} of heap"
            yield Broker(BrokerKind.KAFKA, name, cluster.bootstrap_servers, cluster.nodes[0].pid, True)
    else:
        async with EmbeddedBroker(directory) as embedded:
            name = "the embedded broker (Tansu, in memory)"
            yield Broker(BrokerKind.EMBEDDED, name, embedded.bootstrap_servers, embedded.pid, False)
