import asyncio

from aiokafka import AIOKafkaProducer

from streams.embedded import DataDirectory, EmbeddedBroker
from streams.kafka import KafkaAccess
from streams.producers import _tasks, stop
from streams.topics import TopicSpec, create_topics


async def test_a_producer_whose_broker_is_gone_ends_with_all_its_tasks() -> None:
    with DataDirectory() as directory:
        async with EmbeddedBroker(directory / "broker") as broker:
            await create_topics(KafkaAccess(broker.bootstrap_servers), [TopicSpec("t", 1)])
            producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers)
            await producer.start()
            await producer.send_and_wait("t", b"before", partition=0)
    sent = await producer.send("t", b"after", partition=0)
    await asyncio.sleep(0.1)
    assert list(_tasks(producer))  # or this aiokafka works otherwise, and the test shows nothing
    await stop(producer, patience=0.2)
    assert not list(_tasks(producer))
    assert not sent.done() or sent.exception() is not None


async def test_a_producer_that_never_started_is_stopped() -> None:
    await stop(AIOKafkaProducer(bootstrap_servers="127.0.0.1:1"))
