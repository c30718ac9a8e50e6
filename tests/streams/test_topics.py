from collections.abc import AsyncIterator

import pytest

from schemas.errors import ConfigurationError
from streams.embedded import DataDirectory, EmbeddedBroker
from streams.kafka import KafkaAccess
from streams.topics import TopicSpec, cluster_id, create_topics


@pytest.fixture(scope="module")
async def broker() -> AsyncIterator[EmbeddedBroker]:
    with DataDirectory() as directory:
        async with EmbeddedBroker(directory / "broker") as found:
            yield found


async def test_what_is_missing_is_created_and_named_and_nothing_twice(broker: EmbeddedBroker) -> None:
    kafka = KafkaAccess(broker.bootstrap_servers)
    assert await create_topics(kafka, [TopicSpec("a", 2), TopicSpec("b.c-d", 1)]) == ["a", "b.c-d"]
    assert await create_topics(kafka, [TopicSpec("a", 2), TopicSpec("e", 1)]) == ["e"]
    assert await create_topics(kafka, [TopicSpec("a", 2)]) == []
    assert await create_topics(kafka, []) == []


async def test_the_cluster_names_itself(broker: EmbeddedBroker) -> None:
    assert await cluster_id(KafkaAccess(broker.bootstrap_servers)) == broker.cluster_id


async def test_no_broker_is_a_clear_error() -> None:
    with pytest.raises(ConfigurationError, match="SEALSTREAM_KAFKA_BOOTSTRAP"):
        await create_topics(KafkaAccess("127.0.0.1:1"), [TopicSpec("a", 1)])
    with pytest.raises(ConfigurationError, match="SEALSTREAM_KAFKA_BOOTSTRAP"):
        await cluster_id(KafkaAccess("127.0.0.1:1"))


@pytest.mark.parametrize("bootstrap", ["nonsense", "a:b", ""])
async def test_an_address_that_is_none_is_a_clear_error(bootstrap: str) -> None:
    with pytest.raises(ConfigurationError):
        await cluster_id(KafkaAccess(bootstrap))
