"""No plaintext outside of sealed fields: after a whole run every column, message and log is looked through."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import SecretStr

from sealstream.oneshot import RunOptions, RunReport, run_on
from sealstream.samples.feed import open_sample
from sealstream.settings import load_settings
from streams.embedded import DataDirectory, EmbeddedBroker
from streams.kafka import KafkaAccess
from streams.notices import Message
from streams.publication import open_publication
from streams.topics import TopicSpec, create_topics
from tests.support.databases import Databases
from tests.support.scanner import Scanner, encodings, every_column, needles_of

OUTGOING = ("results.", "audit.", "dead-letters.")
TELLING = (
    "bundles.body",
    "checkpoints.note",
    "commits.watermark",
    "dead_letters.detail",
    "disclosures.sealed",
    "entry_keys.token",
    "identities.digest",
    "messages.evidence",
    "results.sealed",
    "terms.token",
)
SECRETS = ("DE89370400440532013000", "Zoé Lefèvre", "张伟明", "Rechnung 4711 vom Mai")


@dataclass(frozen=True, slots=True)
class Finished:
    """A whole run whose servers still run."""

    dsn: str
    bootstrap: str
    directory: Path
    report: RunReport
    server_log: Path
    scanner: Scanner


@pytest.fixture(scope="module")
async def finished(databases: Databases) -> AsyncIterator[Finished]:
    with DataDirectory() as directory:
        async with databases.fresh() as dsn, EmbeddedBroker(directory / "broker") as broker:
            (directory / "data").mkdir()
            settings = load_settings(
                database_url=SecretStr(dsn),
                kafka_bootstrap=broker.bootstrap_servers,
                data_dir=directory / "data",
                partitions=2,
                session_timeout=timedelta(seconds=2),
            )
            report = await run_on(settings, RunOptions(feed="sample:small", workers=1), lambda line: None)
            scanner = Scanner(needles_of(open_sample("small").items()))
            yield Finished(dsn, broker.bootstrap_servers, directory / "data", report, databases.server.log, scanner)


def test_a_feed_s_needles_are_what_it_must_not_show() -> None:
    needles = needles_of(open_sample("small").items())
    assert len(needles) > 1_000
    assert any("\u4e00" <= needle[0] <= "\u9fff" for needle in needles)
    assert any(needle.startswith("E2E-") for needle in needles)
    assert not {"NOTPROVIDED" * 2, "2026-01-05", "BOOK"} & needles


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("name", [name for name, _ in encodings(SECRETS[0])])
def test_a_planted_secret_is_found_in_every_encoding(secret: str, name: str) -> None:
    scanner = Scanner([secret])
    form = dict(encodings(secret))[name]
    assert scanner.scan("somewhere", b"some bytes before " + form + b" and behind")
    assert not scanner.scan("somewhere", b"some bytes before " + form[:-2] + b" and behind")


@pytest.mark.parametrize("before", range(7))
def test_a_secret_anywhere_within_a_base64_text_is_found(before: int) -> None:
    for secret in SECRETS:
        for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
            assert Scanner([secret]).scan("x", encode(b"\xfb" * before + secret.encode() + b"\xff" * before))


async def test_the_run_itself_was_right(finished: Finished) -> None:
    assert finished.report.ok, (finished.report.differences, finished.report.verification.findings)
    assert finished.report.shown is not None
    # The run showed a record at tier 5: what it saw is known, and must not have been written down anywhere.
    assert finished.report.shown.high.fields["account"].value is not None
    assert finished.report.shown.low.fields["account"].value is None


async def test_no_column_of_any_table_shows_a_field(finished: Finished) -> None:
    connection = await asyncpg.connect(finished.dsn)
    try:
        seen = {place: len(data) async for place, data in every_column(connection)}
        hits = [hit async for place, data in every_column(connection) for hit in finished.scanner.scan(place, data)]
    finally:
        await connection.close()
    # An empty column proves nothing: those that hold something of the records do.
    for place in TELLING:
        assert seen[place] > 0, place
    assert hits == []


async def test_no_message_to_subscribers_shows_a_field(finished: Finished) -> None:
    messages = await outgoing(finished.bootstrap)
    assert {topic.split(".")[0] + "." for topic, _ in messages} == set(OUTGOING)
    assert len(messages) > 600
    assert [hit for topic, data in messages for hit in finished.scanner.scan(topic, data)] == []


async def outgoing(bootstrap: str) -> list[tuple[str, bytes]]:
    """Key, value and headers of everything in the outgoing topics."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        topics = [topic for topic in await consumer.topics() if topic.startswith(OUTGOING)]
        consumer.assign([TopicPartition(topic, 0) for topic in topics])
        found: list[tuple[str, bytes]] = []
        async with asyncio.timeout(30):
            quiet = 0
            while quiet < 5:
                batches = await consumer.getmany(timeout_ms=100)
                quiet = 0 if batches else quiet + 1
                for records in batches.values():
                    for record in records:
                        parts = [record.key or b"", record.value or b""]
                        parts += [part for name, value in record.headers for part in (name.encode(), value or b"")]
                        found.append((record.topic, b"\0".join(parts)))
        return found
    finally:
        await consumer.stop()


def test_no_log_shows_a_field(finished: Finished) -> None:
    logs = [*(finished.directory / "workers").glob("*.log"), finished.server_log]
    assert len(logs) == 3
    assert [hit for log in logs for hit in finished.scanner.scan(log.name, log.read_bytes())] == []


async def test_what_is_planted_in_the_database_is_found_where_it_stands(
    finished: Finished, databases: Databases
) -> None:
    secret = "DE89370400440532013000"
    scanner = Scanner([secret])
    async with databases.clean() as dsn:
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(
                "INSERT INTO signing_keys (key_id, jwk, tenant, domain, sources) "
                "VALUES ('k', jsonb_build_object('a', $1::text), 't', 'd', ARRAY['x', $1::text])",
                secret,
            )
            await connection.execute(
                "INSERT INTO terms VALUES (1, 'f', convert_to('..' || $1::text, 'UTF8'), gen_random_uuid())", secret
            )
            await connection.execute("INSERT INTO catalogue_fields VALUES ('t', 'r', $1, NULL, 1, NULL)", secret)
            hits = {hit.place async for place, data in every_column(connection) for hit in scanner.scan(place, data)}
        finally:
            await connection.close()
    assert hits == {"signing_keys.jwk", "signing_keys.sources", "terms.token", "catalogue_fields.field"}


async def test_what_is_planted_in_a_message_is_found(finished: Finished) -> None:
    await create_topics(KafkaAccess(finished.bootstrap), [TopicSpec("audit.planted", 1)])
    async with open_publication(
        KafkaAccess(finished.bootstrap), "planted", "relay-positions", "planted/"
    ) as publication:
        await publication.publish(
            [
                Message("audit.planted", SECRETS[0].encode(), b"", []),
                Message("audit.planted", b"", SECRETS[1].encode("utf-16-le"), []),
                Message("audit.planted", b"", b"", [("ce_x", SECRETS[2].encode())]),
            ],
            {},
        )
    scanner = Scanner(SECRETS)
    found = {hit.needle for topic, data in await outgoing(finished.bootstrap) for hit in scanner.scan(topic, data)}
    assert found == set(SECRETS[:3])
