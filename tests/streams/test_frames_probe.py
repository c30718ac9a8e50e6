"""Looking at what a broker holds of a partition."""

from datetime import timedelta

import pytest
from faust.types import TP

from schemas.errors import ConfigurationError
from streams.frames import Holding, PartitionProbe, open_probe
from streams.kafka import KafkaAccess
from tests.streams.batch_bytes import HOSTILE, batch
from tests.streams.frame_cluster import cluster

TP0, TP1 = TP("t", 0), TP("t", 1)


async def test_tells_bounds_topic_and_the_record_asked_for(brokers, tmp_path):
    async with brokers(tmp_path, t=2, other=1) as ours, open_probe(KafkaAccess(ours.bootstrap_servers)) as probe:
        await ours.produce("t", {0: [b"%d" % n for n in range(500)]})
        await ours.produce_batch("t", batch(0, [b"", b"x"], headers=[HOSTILE]))
        assert await probe.partitions("t") == [0, 1]

        async def look(offset: int) -> Holding:
            return (await probe.look({TP0: offset}))[TP0]

        held = await look(498)
        assert (held.start, held.end) == (0, 502)
        assert held.record is not None
        assert (held.record.offset, held.record.value) == (498, b"498")
        for offset in (501, 502, 9_000):  # unreadable, not written yet, never
            assert await look(offset) == Holding(0, 502, held.topic_id, None)
        both = await probe.look({TP0: 0, TP1: 0})
        assert both[TP1] == Holding(0, 0, held.topic_id, None)
        ids = await probe.topic_ids({"t", "other", "nowhere"})
        assert ids["t"] == held.topic_id != ids["other"]
        assert "nowhere" not in ids


async def test_a_partition_whose_leader_does_not_answer_is_left_out(tmp_path):
    async with cluster(tmp_path, t=1) as ours:
        opened = open_probe(KafkaAccess(ours.bootstrap_servers))
        probe = await opened.__aenter__()
        hasty = PartitionProbe(probe._client, timedelta(seconds=0.5))
        assert (await hasty.look({TP0: 0})).keys() == {TP0}
    assert await hasty.look({TP0: 0}) == {}
    await opened.__aexit__(None, None, None)


async def test_a_broker_that_is_away_is_told_clearly():
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1:1"):
        async with open_probe(KafkaAccess("127.0.0.1:1")):
            pytest.fail("must not open")
