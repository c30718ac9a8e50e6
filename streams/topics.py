"""Creating topics. Names come from the settings; who may create them is the broker's business."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from schemas.errors import ConfigurationError
from streams.kafka import KafkaAccess, explain

_UNAUTHORIZED = (ClusterAuthorizationFailedError, TopicAuthorizationFailedError)


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic to create.

    Attributes:
        config: Properties of the topic, by Kafka's names.
    """

    name: str
    partitions: int
    replication: int = 1
    config: Mapping[str, str] = field(default_factory=dict)


async def create_topics(kafka: KafkaAccess, topics: Iterable[TopicSpec]) -> list[str]:
    """Create the topics that are missing; returns their names.

    Raises:
        ConfigurationError: The broker can't be reached or refuses one.
    """
    async with admin_client(kafka) as admin:
        existing = set(await admin.list_topics())
        missing = [topic for topic in topics if topic.name not in existing]
        if missing:
            answer = await admin.create_topics(
                [
                    NewTopic(each.name, each.partitions, each.replication, topic_configs=dict(each.config))
                    for each in missing
                ]
            )
            _check(answer)
        return [topic.name for topic in missing]


async def cluster_id(kafka: KafkaAccess) -> str:
    """The id by which the cluster names itself: part of every watermark's key.

    Raises:
        ConfigurationError: The broker can't be reached, or tells no id.
    """
    async with admin_client(kafka) as admin:
        described = await admin.describe_cluster()
    name = described.get("cluster_id")
    if not name:
        raise ConfigurationError("the broker tells no cluster id; without one progress can't be kept safely")
    return str(name)


async def require_visible(kafka: KafkaAccess, names: Iterable[str]) -> None:
    """Refuse topics that we have no right to: a consumer would read the others and leave these out in silence.

    Raises:
        ConfigurationError: Which, or the broker can't be reached.
    """
    async with admin_client(kafka) as admin:
        described = await admin.describe_topics(list(names))
    refused = [each["topic"] for each in described if for_code(each["error_code"]) is TopicAuthorizationFailedError]
    if refused:
        raise ConfigurationError(
            f"the broker does not let us read {', '.join(refused)}; grant READ on them (docs/deployment.md), or leave "
            "them out of SEALSTREAM_TOPICS_IN"
        )


@asynccontextmanager
async def admin_client(kafka: KafkaAccess) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client; what goes wrong with it is a matter of configuration."""
    admin = None
    try:
        admin = AIOKafkaAdminClient(**kafka.client_options())
        await admin.start()
        yield admin
    except (KafkaError, OSError, ValueError) as exc:
        raise await explain(kafka, exc) from exc
    finally:
        if admin is not None:
            await admin.close()


def _check(answer: object) -> None:
    for topic, code, *_ in getattr(answer, "topic_errors", ()):
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            hint = "; grant CREATE on it (docs/deployment.md)" if error in _UNAUTHORIZED else ""
            raise ConfigurationError(f"topic {topic} can't be created: {error.__name__}{hint}")
