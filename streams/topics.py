"""Creating topics. Names come from the settings; who may create them is the broker's business."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from schemas.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic to create."""

    name: str
    partitions: int
    replication: int = 1


async def create_topics(bootstrap_servers: str, topics: Iterable[TopicSpec]) -> list[str]:
    """Create the topics that are missing; returns their names.

    Raises:
        ConfigurationError: The broker can't be reached or refuses one.
    """
    async with _admin(bootstrap_servers) as admin:
        existing = set(await admin.list_topics())
        missing = [topic for topic in topics if topic.name not in existing]
        if missing:
            answer = await admin.create_topics(
                [NewTopic(topic.name, topic.partitions, topic.replication) for topic in missing]
            )
            _check(answer)
        return [topic.name for topic in missing]


async def cluster_id(bootstrap_servers: str) -> str:
    """The id by which the cluster names itself: part of every watermark's key.

    Raises:
        ConfigurationError: The broker can't be reached, or tells no id.
    """
    async with _admin(bootstrap_servers) as admin:
        described = await admin.describe_cluster()
    name = described.get("cluster_id")
    if not name:
        raise ConfigurationError("the broker tells no cluster id; without one progress can't be kept safely")
    return str(name)


@asynccontextmanager
async def _admin(bootstrap_servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client; what goes wrong with it is a matter of configuration."""
    admin = None
    try:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
        await admin.start()
        yield admin
    except (KafkaError, OSError, ValueError) as exc:
        raise ConfigurationError(
            f"the broker can't be reached or refuses us ({type(exc).__name__}); "
            "check SEALSTREAM_KAFKA_BOOTSTRAP and the broker's ACLs"
        ) from exc
    finally:
        if admin is not None:
            await admin.close()


def _check(answer: object) -> None:
    for topic, code, *_ in getattr(answer, "topic_errors", ()):
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise ConfigurationError(f"topic {topic} can't be created: {error.__name__}")
