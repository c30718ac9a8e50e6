"""`produce --closing` and `audit completeness` as a producer and an auditor use them, over a broker and a database."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from agents.platform.knowledge import load_knowledge
from streams.embedded import EmbeddedBroker
from tests.support.installation import Installation
from tests.support.messages import Inbox
from tests.support.processes import sealstream

SOURCE = "urn:closing:cli"
PERIOD = ["--source", SOURCE, "--from", "2026-01-05", "--to", "2026-01-06"]
PAYMENTS = [
    {
        "id": f"t{number}",
        "amount": f"{number}.25",
        "currency": "EUR",
        "credit_debit": "CRDT",
        "booking_date": "2026-01-05",
    }
    for number in range(1, 5)
]


@dataclass
class Setting:
    """A platform with a producer's key, and a broker with one topic."""

    platform: Installation
    bootstrap: str
    directory: Path

    def run(self, *words: str) -> tuple[int, str, str]:
        settings = {
            "SEALSTREAM_DATABASE_URL": self.platform.dsn,
            "SEALSTREAM_KEYRING_DIR": str(self.platform.keyring_dir),
            "SEALSTREAM_DATA_DIR": str(self.platform.keyring_dir.parent),
            "SEALSTREAM_KAFKA_BOOTSTRAP": self.bootstrap,
        }
        done = sealstream(*words, settings=settings, directory=self.directory)
        return done.returncode, done.stdout, done.stderr

    def completeness(self, *words: str) -> tuple[int, list[dict[str, object]], str]:
        code, out, talk = self.run("audit", "completeness", *words, "--json")
        return code, [json.loads(line) for line in out.splitlines()], talk

    async def take_in(self, count: int, leave_out: str | None = None) -> None:
        """Have a worker process what lies on the broker, but for what somebody kept from it."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            consumer.assign([TopicPartition("transactions", 0)])
            inbox, seen = Inbox(), 0
            async with asyncio.timeout(30):
                while seen < count:
                    for records in (await consumer.getmany(timeout_ms=200)).values():
                        seen += len(records)
                        for record in records:
                            if dict(record.headers)["ce_id"] != (leave_out or "").encode():
                                inbox.put_raw(list(record.headers), record.value, record.key)
        finally:
            await consumer.stop()
        self.platform.knowledge = await load_knowledge(self.platform.database, self.platform.identity)
        await (await self.platform.worker()).commit(inbox.take())


@pytest.fixture
async def setting(platform: Installation, tmp_path: Path) -> AsyncIterator[Setting]:
    async with EmbeddedBroker(tmp_path / "broker") as broker:
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
        await admin.start()
        await admin.create_topics([NewTopic("transactions", 1, 1)])
        await admin.close()
        found = Setting(platform, broker.bootstrap_servers, tmp_path)
        words = ["keys", "generate", f"closer-{tmp_path.name}", "--tenant", "bank-a", "--domain", "payments"]
        code, _, talk = found.run(*words, "--source", SOURCE)
        assert (code, talk) == (0, "")
        yield found


def produce(setting: Setting, *more: str) -> None:
    feed = setting.directory / "day.jsonl"
    feed.write_text("".join(json.dumps(each) + "\n" for each in PAYMENTS))
    key = f"closer-{setting.directory.name}"
    code, out, talk = setting.run("produce", str(feed), "--source", SOURCE, "--key", key, *more)
    assert (code, talk) == (0, "")
    assert out.startswith("5 messages")


async def test_a_feed_that_was_closed_and_came_in_is_complete(setting: Setting) -> None:
    produce(setting, "--closing")
    await setting.take_in(5)
    rows = await setting.platform.rows("SELECT message_id FROM messages WHERE type LIKE '%closing%'")
    (closing,) = [str(row["message_id"]) for row in rows]
    code, lines, talk = setting.completeness(closing, "--accepted")
    assert (code, talk) == (0, ""), lines
    assert len([line for line in lines if "accepted" in line and "id" in line]) == 4
    assert lines[-1] == lines[-1] | {"completeness": "complete", "closed": 4, "accepted": 4, "closing": closing}


async def test_what_was_kept_from_the_platform_is_named(setting: Setting) -> None:
    listing = setting.directory / "list.jsonl"
    produce(setting, "--closing", "--closing-list", str(listing))
    missing = json.loads(listing.read_text().splitlines()[0])["id"]
    await setting.take_in(5, leave_out=missing)
    (closing,) = await setting.platform.rows("SELECT message_id FROM messages WHERE type LIKE '%closing%'")
    code, lines, talk = setting.completeness(str(closing["message_id"]), "--list", str(listing))
    assert (code, talk) == (1, "")
    assert [line["id"] for line in lines if "missing" in line] == [missing]
    assert {"differs": "count", "closed": "4", "found": "3"} in lines
    assert lines[-1]["completeness"] == "not complete"


async def test_a_period_nobody_closed_is_not_complete(setting: Setting) -> None:
    code, lines, talk = setting.completeness(*PERIOD)
    assert (code, talk) == (1, "")
    assert lines[-1] == lines[-1] | {"completeness": "not complete", "closing": None, "accepted": 0}


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([], id="nothing"),
        pytest.param(PERIOD[:4], id="half-a-period"),
        pytest.param([*PERIOD[:4], "--to", "2026-01-05"], id="empty-period"),
        pytest.param([*PERIOD[:4], "--to", "2026-01-05T00:00:00.5Z"], id="fraction"),
        pytest.param(["00000000-0000-0000-0000-000000000001", *PERIOD], id="both"),
    ],
)
def test_a_closing_or_a_whole_period_is_needed(words: list[str], tmp_path: Path) -> None:
    assert sealstream("audit", "completeness", *words, settings={}, directory=tmp_path).returncode == 2
