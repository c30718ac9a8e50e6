"""A whole worker as an operator sees it: metrics, health, traces and logs of a feed with hostile records in it."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from sealstream.settings import load_settings
from sealstream.wiring import create_all_topics
from streams.embedded import DataDirectory, EmbeddedBroker
from tests.support.collector import Collector
from tests.support.databases import Databases
from tests.support.installation import BANK_A, installed
from tests.support.messages import Inbox, entry, statement, transaction
from tests.support.processes import PATIENCE, WatchedCommand
from tests.support.scanner import Scanner
from tests.support.tampering import STRANGER

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
IDEOGRAPHS = "张伟明的房租"
SECRETS = ("DE89370400440532013000", "Zoé Lefèvre", IDEOGRAPHS, "Rechnung zu geheim", "Miete geheim-R1")
PLAIN = 60

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass(slots=True)
class Watched:
    """What a worker showed while it took in a feed, and what it left behind."""

    url: str
    samples: Samples
    health: dict[str, object]
    ready: int
    missing: int
    notices: list[dict[str, str]]
    collector: Collector
    log: list[str]

    def value(self, name: str, **labels: str) -> float:
        return self.samples[name, frozenset(labels.items())]

    def total(self, name: str) -> float:
        return total(self.samples, name)


def hostile(inbox: Inbox) -> None:
    """Records that nobody can take in, each with something in it that no log may repeat."""
    account, name, ideographs, text, _ = SECRETS
    inbox.put(transaction("unknown-key"), STRANGER, BANK_A.source)
    inbox.put_raw([("ce_id", account.encode()), ("ce_source", name.encode())], text.encode())
    inbox.put_raw([(f"ce_{ideographs}", text.encode())], account.encode())
    inbox.put_raw([("content-type", b"application/cloudevents+json")], f'{{"id":"{account}"'.encode())
    inbox.put_raw([], None, account.encode())
    inbox.put_raw([("ce_traceparent", account.encode())], b"\x00" * 64 + ideographs.encode("utf-16-le"))
    BANK_A.put(
        inbox,
        transaction("negative", amount="-1", remittance_information=text),
        transaction("currency", currency=account),
        transaction("date", booking_date=name),
        transaction("same"),
        transaction("same", remittance_information=ideographs),
        transaction("same"),
    )


async def feed(bootstrap: str) -> int:
    inboxes = [Inbox(), Inbox("statements")]
    BANK_A.put(inboxes[0], *(transaction(f"geheim-{n}", counterparty_name=IDEOGRAPHS) for n in range(PLAIN)))
    hostile(inboxes[0])
    BANK_A.put(inboxes[1], statement("s1", [entry("geheim-R1"), entry("geheim-R2", stated="1,0")]))
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for inbox in inboxes:
            for record in inbox.records:
                headers = list(record.headers)
                if record.offset < PLAIN:  # All of those: a frame shows a few of its links, at regular steps.
                    headers.append(("ce_traceparent", PARENT.encode()))
                await producer.send(inbox.topic, record.value, record.key, 0, headers=headers)
    return sum(len(inbox.records) for inbox in inboxes)


@pytest.fixture(scope="module")
async def watched(databases: Databases) -> AsyncIterator[Watched]:
    with DataDirectory() as directory:
        async with (
            databases.fresh() as dsn,
            EmbeddedBroker(directory / "broker") as broker,
            Collector() as collector,
            installed(dsn, directory / "keys"),
        ):
            shared = load_settings(kafka_bootstrap=broker.bootstrap_servers, partitions=1)
            await create_all_topics(shared, ["platform", "bank-a", "bank-b"])
            settings = {
                "SEALSTREAM_DATABASE_URL": dsn,
                "SEALSTREAM_KAFKA_BOOTSTRAP": broker.bootstrap_servers,
                "SEALSTREAM_KEYRING_DIR": str(directory / "keys"),
                "SEALSTREAM_OTLP_ENDPOINT": collector.endpoint,
                "SEALSTREAM_LOG_LEVEL": "debug",
                "SEALSTREAM_LOG_FORMAT": "json",
                "SEALSTREAM_SESSION_TIMEOUT": "PT2S",
                "OTEL_BSP_SCHEDULE_DELAY": "200",
            }
            yield await watch(settings, directory, broker.bootstrap_servers, collector)


async def watch(settings: dict[str, str], directory: Path, bootstrap: str, collector: Collector) -> Watched:
    ready = directory / "ready"
    with WatchedCommand(["worker", "--ready-file", str(ready)], settings, directory) as command:
        async with asyncio.timeout(3 * PATIENCE), aiohttp.ClientSession() as http:
            await asyncio.to_thread(command.until, ready.exists)
            url = ready.read_text().strip()
            published = await feed(bootstrap)
            samples = await scrape(http, url)
            while not is_settled(samples, published):
                await asyncio.sleep(0.2)
                samples = await scrape(http, url)
            async with http.get(f"{url}/healthz") as answer:
                health = await answer.json()
                assert answer.status == 200
            async with http.get(f"{url}/readyz") as answer:
                status = answer.status
            async with http.get(f"{url}/nothing") as answer:
                missing = answer.status
            notices = await read_notices(bootstrap)
        command.send(signal.SIGTERM)
        assert await asyncio.to_thread(command.wait) == 0
        return Watched(url, samples, health, status, missing, notices, collector, command.talk)


async def scrape(http: aiohttp.ClientSession, url: str) -> Samples:
    async with http.get(f"{url}/metrics") as answer:
        assert answer.status == 200
        text = await answer.text()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(samples: Samples, name: str) -> float:
    return sum(value for (found, _), value in samples.items() if found == name)


def is_settled(samples: Samples, messages: int) -> bool:
    """Whether everything is committed, placed and published; lags are asked for now and then, and may be old."""
    lags = ("sealstream_relay_lag_leaves", "sealstream_sequencer_lag_leaves", "sealstream_sequencer_lag_seconds")
    return (
        total(samples, "sealstream_commit_messages_sum") >= messages
        and total(samples, "sealstream_published_leaves_total") >= total(samples, "sealstream_records_total")
        and all(samples.get((name, frozenset())) == 0 for name in lags)
    )


async def read_notices(bootstrap: str) -> list[dict[str, str]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition("audit.bank-a", 0)])
        found = []
        while len(found) < PLAIN:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [{name: value.decode() for name, value in record.headers} for record in records]
        return found
    finally:
        await consumer.stop()


def test_records_are_counted_by_what_became_of_them(watched: Watched) -> None:
    name = "sealstream_records_total"
    assert watched.value(name, kind="result", outcome="booked", reason="") == PLAIN + 2
    assert watched.value(name, kind="accepted", outcome="accepted", reason="") == 1
    assert watched.value(name, kind="duplicate", outcome="duplicate", reason="") == 1
    refused = {"unknown_key": 1, "conflict": 1, "schema_violation": 4}
    for reason, count in refused.items():
        assert watched.value(name, kind="rejected", outcome="rejected", reason=reason) == count, reason
    assert watched.total(name) == PLAIN + 2 + 1 + 1 + 6 + 5, "five that are no events at all"


def test_frames_stages_and_commits_are_measured(watched: Watched) -> None:
    frames = watched.value("sealstream_frame_records_count")
    messages = watched.value("sealstream_frame_records_sum")
    assert messages == watched.value("sealstream_commit_messages_sum") == PLAIN + 13
    assert watched.value("sealstream_frame_bytes_sum") > 100 * PLAIN
    turns = {watched.value("sealstream_stage_seconds_count", stage=stage) for stage in
             ("verify", "interpret", "classify", "seal")}  # fmt: skip
    assert len(turns) == 1
    assert turns.pop() >= frames
    assert watched.value("sealstream_stage_seconds_sum", stage="verify") > 0
    assert watched.value("sealstream_commit_seconds_count") == watched.value("sealstream_commit_frames_count")
    assert watched.value("sealstream_commit_frames_sum") == frames


def test_lags_are_nothing_when_all_is_done(watched: Watched) -> None:
    assert watched.value("sealstream_partition_lag_records", topic="transactions", partition="0") == 0
    assert watched.value("sealstream_partition_held", topic="transactions", partition="0") == 0
    assert watched.value("sealstream_sequencer_lag_leaves") == 0
    assert watched.value("sealstream_sequencer_lag_seconds") == 0
    assert watched.value("sealstream_bytes_in_flight") == 0
    assert watched.value("sealstream_frames_in_work") == 0
    assert watched.value("sealstream_budget_bytes") == 64 << 20
    assert watched.value("sealstream_published_leaves_total") >= watched.total("sealstream_records_total")
    assert 0 <= watched.value("sealstream_registry_age_seconds") < PATIENCE


def test_health_is_served_as_the_parts_tell_it(watched: Watched) -> None:
    assert watched.health["alive"] is watched.health["ready"] is True
    parts = watched.health["parts"]
    assert isinstance(parts, dict)
    assert {"intake", "relay"} <= parts.keys()
    assert {part["state"] for part in parts.values()} == {"working"}
    assert (watched.ready, watched.missing) == (200, 404)
    assert watched.value("sealstream_ready") == watched.value("sealstream_alive") == 1
    assert watched.value("sealstream_health_state", part="intake", state="working") == 1
    assert watched.value("sealstream_health_state", part="intake", state="failed") == 0


def test_it_listens_on_loopback_alone_and_says_where(watched: Watched) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", watched.url)
    assert any(json.loads(line).get("url") == watched.url for line in watched.log)


def test_a_frame_s_span_has_its_stages_and_its_commit_and_links_to_its_producers(watched: Watched) -> None:
    frames = watched.collector.named("sealstream.frame")
    assert sum(attributes(span)["messaging.batch.message_count"] for span in frames) == PLAIN + 13
    linked = {link.trace_id.hex() for span in frames for link in span.links}
    assert linked == {TRACE}
    for span in frames:
        below = [each for each in watched.collector.spans if each.parent_span_id == span.span_id]
        assert {each.name.removeprefix("sealstream.") for each in below} == {
            "verify", "interpret", "classify", "seal", "commit"
        }  # fmt: skip
        assert {each.trace_id for each in below} == {span.trace_id}
        for each in below:
            assert span.start_time_unix_nano <= each.start_time_unix_nano <= each.end_time_unix_nano
            assert each.end_time_unix_nano <= span.end_time_unix_nano
    (resource,) = {tuple(sorted(each.items())) for each in watched.collector.resources}
    assert dict(resource)["service.name"] == "sealstream"


def attributes(span: object) -> dict[str, int]:
    return {pair.key: pair.value.int_value for pair in span.attributes}  # type: ignore[attr-defined]


def test_subscribers_can_join_the_publication_of_a_notice(watched: Watched) -> None:
    publications = {(span.trace_id.hex(), span.span_id.hex()) for span in watched.collector.named("sealstream.publish")}
    assert publications
    assert {tuple(notice["ce_traceparent"].split("-")[1:3]) for notice in watched.notices} <= publications


def test_no_log_line_shows_anything_of_a_record(watched: Watched) -> None:
    text = "".join(watched.log).encode()
    names = {json.loads(line)["event"] for line in watched.log}
    assert {"observe.listening", "frame.began", "commit.made"} <= names, "at debug level there is something to look at"
    assert Scanner(SECRETS).scan("log", text) == []


def test_every_log_line_is_an_object_with_a_static_name_and_says_whose_it_is(watched: Watched) -> None:
    for line in watched.log:
        event = json.loads(line)
        assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", event["event"]), line
        assert event["group"] == "sealstream"
        assert event["role"] == "all"
        assert isinstance(event["process"], int)
        assert event["process"] != os.getpid()
        assert event["level"] in ("debug", "info", "warning", "error")


def test_no_span_shows_anything_of_a_record(watched: Watched) -> None:
    text = b"".join(span.SerializeToString() for span in watched.collector.spans)
    assert Scanner(SECRETS).scan("spans", text) == []
