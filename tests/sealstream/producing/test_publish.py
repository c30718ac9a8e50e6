import asyncio
import base64
import io
import json
import math
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas.closing import CLOSING, decode_closing
from schemas.errors import ConfigurationError
from schemas.events import decode_event
from sealstream.feeds import Fault, FeedItem
from sealstream.producing.open_feed import open_feed
from sealstream.producing.publish import PublishFailed, publish
from security.signing import Ed25519Signer
from streams.embedded import EmbeddedBroker
from streams.embedded.port import pick_port
from streams.kafka import KafkaAccess

SIGNER = Ed25519Signer("k", b"k" * 32)
STRANGER = Ed25519Signer("x", b"x" * 32)
SOURCE = "urn:test"
PARTITIONS = 3
QUICK = {"request_timeout_ms": 2_000}
ITEM = FeedItem("transactions", "t", "1", b'{"amount":"1"}', "application/json")


@asynccontextmanager
async def broker_with(directory: Path, *topics: str) -> AsyncIterator[EmbeddedBroker]:
    async with EmbeddedBroker(directory) as broker:
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
        await admin.start()
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in topics])
        await admin.close()
        yield broker


async def read(bootstrap_servers: str, topic: str, count: int) -> list[tuple[int, bytes, object]]:
    """Partition, key and headers with value of `count` records, in the order of each partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        found = []
        async with asyncio.timeout(30):
            while len(found) < count:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [(record.partition, record.key, (record.headers, record.value)) for record in records]
        return found
    finally:
        await consumer.stop()


def numbered(count: int) -> Iterator[FeedItem]:
    return (replace(ITEM, id=str(number)) for number in range(count))


async def test_a_sample_arrives_whole_with_repeats_in_the_partition_of_what_they_repeat(tmp_path: Path) -> None:
    items = list(open_feed("sample:small").items())
    async with broker_with(tmp_path, "transactions", "statements") as broker:
        report = await publish(
            items, kafka=KafkaAccess(broker.bootstrap_servers), source=SOURCE, signer=SIGNER, unknown_signer=STRANGER
        )
        assert report.messages == len(items)
        assert report.bytes > sum(len(item.data) for item in items)
        for topic in ("transactions", "statements"):
            sent = [item for item in items if item.topic == topic]
            found = await read(broker.bootstrap_servers, topic, len(sent))
            partition_of = {key: partition for partition, key, _ in found}
            assert len(found) == len(sent)
            assert {(partition_of[key], key) for _, key, _ in found} == {(place, key) for place, key, _ in found}
            for partition in range(PARTITIONS):
                keys = [key for place, key, _ in found if place == partition]
                assert keys == [item.id.encode() for item in sent if partition_of[item.id.encode()] == partition]


async def test_what_arrives_is_the_signed_event(tmp_path: Path) -> None:
    async with broker_with(tmp_path, "transactions") as broker:
        await publish([ITEM], kafka=KafkaAccess(broker.bootstrap_servers), source=SOURCE, signer=SIGNER)
        ((_, key, (headers, value)),) = await read(broker.bootstrap_servers, "transactions", 1)
    event = decode_event(headers, value)
    assert (key, event.id, event.source, event.data) == (b"1", "1", SOURCE, ITEM.data)
    assert event.dssematerial


async def test_batches_keep_the_order_and_set_strangers_apart(tmp_path: Path) -> None:
    strange = [replace(ITEM, id=str(number), fault=Fault.UNKNOWN_KEY) for number in (1, 4)]
    items = [item for item in numbered(7) if item.id not in {"1", "4"}]
    items[1:1], items[4:4] = strange[:1], strange[1:]
    async with broker_with(tmp_path, "transactions") as broker:
        report = await publish(
            items,
            kafka=KafkaAccess(broker.bootstrap_servers),
            source=SOURCE,
            signer=SIGNER,
            unknown_signer=STRANGER,
            batch=4,
        )
        found = await read(broker.bootstrap_servers, "transactions", len(items))
    assert report.messages == 7
    signed_by: dict[bytes, set[str]] = {}
    for _, key, (headers, value) in found:
        event = decode_event(headers, value)
        statement = json.loads(base64.b64decode(event.batchmaterial))["statement"]
        signed_by[key] = {signature["keyid"] for signature in statement["signatures"]}
    assert signed_by == {b"%d" % n: {"x" if n in {1, 4} else "k"} for n in range(7)}


@pytest.mark.parametrize("batch", [None, 2])
async def test_a_closing_follows_the_feed_and_counts_what_the_producer_itself_signed(
    tmp_path: Path, batch: int | None
) -> None:
    items = [replace(ITEM, id=str(n), time="2026-01-05T00:00:00Z") for n in range(4)]
    items[1] = replace(items[1], fault=Fault.UNKNOWN_KEY)
    items[2] = replace(items[2], fault=Fault.TAMPERED_PAYLOAD)
    listing = io.StringIO()
    async with broker_with(tmp_path / "broker", "transactions") as broker:
        report = await publish(
            items,
            kafka=KafkaAccess(broker.bootstrap_servers),
            source=SOURCE,
            signer=SIGNER,
            unknown_signer=STRANGER,
            batch=batch,
            closing=True,
            closing_list=listing,
        )
        found = await read(broker.bootstrap_servers, "transactions", 5)
    assert report.messages == 5
    events = [decode_event(*record) for _, _, record in found]  # type: ignore[misc]  # headers and value
    (data,) = [event.data for event in events if event.type == CLOSING]
    assert decode_closing(data or b"").count == 3
    assert {json.loads(line)["id"] for line in listing.getvalue().splitlines()} == {"0", "2", "3"}


async def test_an_empty_feed_is_not_closed(tmp_path: Path) -> None:
    async with broker_with(tmp_path / "broker", "transactions") as broker:
        with pytest.raises(PublishFailed, match="nothing to close"):
            await publish([], kafka=KafkaAccess(broker.bootstrap_servers), source=SOURCE, signer=SIGNER, closing=True)


@pytest.mark.parametrize("batch", [0, -1, 65_537])
async def test_a_batch_of_no_size_is_refused(batch: int) -> None:
    with pytest.raises(ConfigurationError, match="a batch holds 1 to 65536"):
        await publish([ITEM], kafka=KafkaAccess("127.0.0.1:1"), source=SOURCE, signer=SIGNER, batch=batch)


async def test_a_rate_spaces_messages_evenly(tmp_path: Path) -> None:
    async with broker_with(tmp_path, "transactions") as broker:
        moments = []

        def watched() -> Iterator[FeedItem]:
            for item in numbered(40):
                yield item
                moments.append(time.perf_counter())

        started = time.perf_counter()
        report = await publish(
            watched(), kafka=KafkaAccess(broker.bootstrap_servers), source=SOURCE, signer=SIGNER, rate=100
        )
    assert report.messages == 40
    # Message n leaves at n/100 s and never before; how late one is depends on the machine.
    assert all(moment - started >= number / 100 for number, moment in enumerate(moments))


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf])
async def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ConfigurationError, match="the rate is a number"):
        await publish([ITEM], kafka=KafkaAccess("127.0.0.1:1"), source=SOURCE, signer=SIGNER, rate=rate)


async def test_a_missing_topic_is_a_clear_error_and_is_not_created(tmp_path: Path) -> None:
    items = [*numbered(5), replace(ITEM, topic="nowhere")]
    async with broker_with(tmp_path, "transactions") as broker:
        for _ in range(2):
            with pytest.raises(
                PublishFailed, match=r"no topic 'nowhere'.*topics create.*5 messages delivered"
            ) as caught:
                await publish(items, kafka=KafkaAccess(broker.bootstrap_servers), source=SOURCE, signer=SIGNER)
            assert (caught.value.delivered, caught.value.unconfirmed) == (5, 0)


async def test_a_message_that_is_too_large_is_a_clear_error(tmp_path: Path) -> None:
    items = [*numbered(2), replace(ITEM, data=bytes(2_000_000))]
    async with broker_with(tmp_path, "transactions") as broker:
        with pytest.raises(PublishFailed, match="message 3 is larger than one request may be") as caught:
            await publish(items, kafka=KafkaAccess(broker.bootstrap_servers), source=SOURCE, signer=SIGNER)
        assert caught.value.delivered == 2
        report = await publish(
            items,
            kafka=KafkaAccess(broker.bootstrap_servers),
            source=SOURCE,
            signer=SIGNER,
            client_options={"max_request_size": 4_000_000},
        )
        assert report.messages == 3


async def test_no_broker_is_a_clear_error() -> None:
    with pytest.raises(PublishFailed, match=r"no broker at 127\.0\.0\.1:.*check that it runs"):
        await publish([ITEM], kafka=KafkaAccess(f"127.0.0.1:{pick_port()}"), source=SOURCE, signer=SIGNER)


async def test_a_broker_that_goes_away_is_a_clear_error_with_counts(tmp_path: Path) -> None:
    async with broker_with(tmp_path, "transactions") as broker:

        def items() -> Iterator[FeedItem]:
            for number, item in enumerate(numbered(200)):
                if number == 20:
                    os.kill(broker.pid, signal.SIGKILL)
                yield item

        with pytest.raises(PublishFailed, match="unconfirmed; publishing again is safe") as caught:
            await publish(
                items(),
                kafka=KafkaAccess(broker.bootstrap_servers),
                source=SOURCE,
                signer=SIGNER,
                rate=100,
                client_options=QUICK,
            )
    assert caught.value.unconfirmed > 0
    assert caught.value.delivered + caught.value.unconfirmed <= 200


async def test_a_feed_that_breaks_off_says_how_far_it_got(tmp_path: Path) -> None:
    def broken() -> Iterator[FeedItem]:
        yield from numbered(3)
        raise ConfigurationError("export.csv: gone")

    async with broker_with(tmp_path, "transactions") as broker:
        with pytest.raises(PublishFailed, match=r"export\.csv: gone \(3 messages delivered, 0 unconfirmed"):
            await publish(broken(), kafka=KafkaAccess(broker.bootstrap_servers), source=SOURCE, signer=SIGNER)


async def test_an_unknown_key_must_be_given_for_samples_that_need_one(tmp_path: Path) -> None:
    async with broker_with(tmp_path, "transactions") as broker:
        with pytest.raises(PublishFailed, match="unknown key"):
            await publish(
                [replace(ITEM, fault=Fault.UNKNOWN_KEY)],
                kafka=KafkaAccess(broker.bootstrap_servers),
                source=SOURCE,
                signer=SIGNER,
            )


@pytest.mark.parametrize(
    "options", [{"no_such_option": 1}, {"acks": 7}, {"compression_type": "zip"}], ids=["unknown", "value", "codec"]
)
async def test_wrong_client_options_are_a_clear_error(options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="option for the Kafka producer"):
        await publish([ITEM], kafka=KafkaAccess("127.0.0.1:1"), source=SOURCE, signer=SIGNER, client_options=options)
