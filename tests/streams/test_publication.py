"""Publishing to real brokers: with transactions on Kafka, without on the embedded one."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiokafka.errors import ProducerFenced

from deploy.kafka import KafkaBroker
from schemas.errors import ConfigurationError
from streams.embedded import DataDirectory, EmbeddedBroker
from streams.kafka import KafkaAccess
from streams.notices import Message, PublishFailed
from streams.positions import PositionUnreadable, decode_position, encode_position, read_positions
from streams.publication import Superseded, has_transactions, open_publication
from streams.storage.relaying import RelayPosition
from streams.topics import TopicSpec, create_topics
from tests.support.kafka_topics import read_topic

AT = RelayPosition(7, {"audit.t": 6}, b"h" * 32, "note")


@dataclass
class Broker:
    """A broker, and whether it has transactions."""

    bootstrap: str
    transactions: bool

    @property
    def access(self) -> KafkaAccess:
        return KafkaAccess(self.bootstrap)


@pytest.fixture(scope="module")
async def tansu() -> AsyncIterator[Broker]:
    with DataDirectory() as directory:
        async with EmbeddedBroker(directory / "broker") as broker:
            yield Broker(broker.bootstrap_servers, transactions=False)


@pytest.fixture
def kafka(kafka_broker: KafkaBroker) -> Broker:
    return Broker(kafka_broker.bootstrap_servers, transactions=True)


@pytest.fixture(params=["kafka", "tansu"])
def broker(request: pytest.FixtureRequest) -> Broker:
    found: Broker = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def name(broker: Broker, request: pytest.FixtureRequest) -> str:
    """A name for everything of this test, with a position topic and one for notices."""
    return await _topics(broker, request)


async def _topics(broker: Broker, request: pytest.FixtureRequest) -> str:
    made = "".join(c if c.isalnum() else "-" for c in request.node.name)
    await create_topics(broker.access, [TopicSpec(made, 1), TopicSpec(f"{made}-positions", 1)])
    return made


@pytest.fixture
async def kafka_name(kafka: Broker, request: pytest.FixtureRequest) -> str:
    return await _topics(kafka, request)


def notices(topic: str, *numbers: int) -> list[Message]:
    return [Message(topic, b"%d" % n, b"v%d" % n, [("ce_sealindex", b"%d" % n)]) for n in numbers]


async def keys(broker: Broker, topic: str) -> list[bytes]:
    return [key for key, _, _ in await read_topic(broker.bootstrap, topic)]


def test_a_position_is_read_as_it_was_written() -> None:
    assert decode_position(encode_position(AT, atomic=True)) == (AT, True)
    assert decode_position(encode_position(RelayPosition(0), atomic=False)) == (RelayPosition(0), False)


@pytest.mark.parametrize(
    "value",
    [b"", b"{}", b'{"v":1}', b'{"v":2,"next":1}', b'{"v":1,"next":"x"}', b"\xff", b'{"v":1,"next":1,"last":"\xa8"}'],
)
def test_what_is_no_position_is_refused(value: bytes) -> None:
    with pytest.raises(PositionUnreadable):
        decode_position(value)


async def test_a_publication_begins_where_the_last_one_ended(broker: Broker, name: str) -> None:
    assert await has_transactions(broker.access, "probe") == broker.transactions
    async with open_publication(broker.access, name, f"{name}-positions", "o/") as first:
        assert first.exactly_once == broker.transactions
        assert first.positions == {}
        await first.publish(notices(name, 1, 2), {"o/t": RelayPosition(2)})
        await first.publish(notices(name, 3), {"o/t": AT, "p/t": RelayPosition(3)})
    async with open_publication(broker.access, name, f"{name}-positions", "o/") as second:
        assert second.positions == {"o/t": AT}
        await second.publish(notices(name, 4), {"o/t": RelayPosition(8)})
    assert await keys(broker, name) == [b"1", b"2", b"3", b"4"]
    found = await read_positions(broker.access, f"{name}-positions", "")
    assert found.logs == {"o/t": RelayPosition(8), "p/t": RelayPosition(3)}
    assert found.atomic == broker.transactions


async def test_what_does_not_fit_one_batch_arrives_in_order(broker: Broker, name: str) -> None:
    many = [Message(name, b"%d" % n, bytes(60_000), [("ce_id", b"%d" % n)]) for n in range(60)]
    async with open_publication(broker.access, name, f"{name}-positions", "o/") as publication:
        await publication.publish(many, {"o/t": AT})
    found = await read_topic(broker.bootstrap, name)
    assert [(key, headers) for key, _, headers in found] == [(each.key, each.headers) for each in many]


async def test_a_missing_position_topic_is_named(broker: Broker) -> None:
    with pytest.raises(ConfigurationError, match=r"not-there.*sealstream topics create"):
        async with open_publication(broker.access, "x", "not-there", ""):
            pass


async def test_a_broker_that_is_away_is_said_to_be(broker: Broker) -> None:
    with pytest.raises(PublishFailed, match="no broker at"):
        async with open_publication(KafkaAccess("127.0.0.1:1"), "x", "positions", ""):
            pass


async def test_the_second_publication_fences_the_first(kafka: Broker, kafka_name: str) -> None:
    topic = f"{kafka_name}-positions"
    async with open_publication(kafka.access, kafka_name, topic, "o/") as first:
        await first.publish(notices(kafka_name, 1), {"o/t": RelayPosition(1)})
        async with open_publication(kafka.access, kafka_name, topic, "o/") as second:
            assert second.positions == {"o/t": RelayPosition(1)}
            await second.publish(notices(kafka_name, 2), {"o/t": RelayPosition(2)})
            with pytest.raises(Superseded):
                await first.publish(notices(kafka_name, 2), {"o/t": RelayPosition(2)})
            await second.publish(notices(kafka_name, 3), {"o/t": RelayPosition(3)})
    assert await keys(kafka, kafka_name) == [b"1", b"2", b"3"]


class Stopped(Exception):
    """The first relay was stopped here."""


async def test_what_a_former_relay_had_under_way_is_undone(kafka: Broker, kafka_name: str) -> None:
    topic = f"{kafka_name}-positions"

    def probe(point: str) -> None:
        if point == "sent":
            raise Stopped

    async with open_publication(kafka.access, kafka_name, topic, "o/", probe=probe) as first:
        with pytest.raises(Stopped):
            await first.publish(notices(kafka_name, 1), {"o/t": RelayPosition(1)})
        async with open_publication(kafka.access, kafka_name, topic, "o/") as second:
            assert second.positions == {}
            await second.publish(notices(kafka_name, 1, 2), {"o/t": RelayPosition(2)})
            with pytest.raises(ProducerFenced):
                await first._producer.commit_transaction()
    assert await keys(kafka, kafka_name) == [b"1", b"2"]
    raw = await read_topic(kafka.bootstrap, kafka_name, isolation="read_uncommitted")
    assert [key for key, _, _ in raw] == [b"1", b"1", b"2"]


async def test_positions_written_in_transactions_are_not_gone_on_from_without_them(
    tansu: Broker, request: pytest.FixtureRequest
) -> None:
    name = await _topics(tansu, request)
    async with open_publication(tansu.access, name, f"{name}-positions", "o/") as publication:
        publication.exactly_once = False
        written = Message(f"{name}-positions", b"o/t", encode_position(AT, atomic=True), [])
        await publication.publish([written], {})
    with pytest.raises(PublishFailed, match="refuses them now"):
        async with open_publication(tansu.access, name, f"{name}-positions", "o/"):
            pass
