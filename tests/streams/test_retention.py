import datetime as dt

import pytest

from deploy.kafka import KafkaBroker
from schemas.errors import ConfigurationError
from streams.kafka import KafkaAccess
from streams.retention import Retention, read_retention

WINDOW = dt.timedelta(days=3)
DAY = dt.timedelta(days=1)


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        pytest.param(Retention(False, None, None, True), None, id="for-ever"),
        pytest.param(Retention(False, 4 * DAY, None, True), None, id="longer"),
        pytest.param(Retention(False, 3 * DAY, None, True), "must be longer than the backup window", id="as-long"),
        pytest.param(Retention(False, DAY, None, True), "1 day", id="shorter"),
        pytest.param(Retention(False, None, 1 << 30, True), "retention.bytes", id="bounded-by-size"),
        pytest.param(Retention(True, None, None, True), "compacted", id="compacted"),
    ],
)
def test_a_topic_must_outlast_the_oldest_backup(rule: Retention, fault: str | None) -> None:
    found = rule.fault(WINDOW)
    assert found is None if fault is None else fault in (found or "")


async def test_the_broker_tells_what_it_keeps(kafka_broker: KafkaBroker) -> None:
    await kafka_broker.create_topic("kept-short", retention_ms=60_000, retention_bytes=1_000_000)
    await kafka_broker.create_topic("kept-compacted", cleanup_policy="compact", retention_ms=-1)
    kafka = KafkaAccess(kafka_broker.bootstrap_servers)
    found = await read_retention(kafka, ["kept-short", "kept-compacted"])
    assert found["kept-short"] == Retention(False, dt.timedelta(minutes=1), 1_000_000, True)
    assert found["kept-compacted"] == Retention(True, None, None, True)
    with pytest.raises(ConfigurationError, match="not-there"):
        await read_retention(kafka, ["not-there"])
