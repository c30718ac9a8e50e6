"""Raw aiokafka: what the frames are built on, without a framework."""

from collections.abc import Collection
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener

from bench.gate import Gate
from bench.readers.probe import Probe
from sealstream.settings import Settings
from sealstream.wiring import required_bootstrap

WAIT_MS: Final = 1_000


class _Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Nothing is in work."""

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._gate.assigned(len(assigned))


async def work(settings: Settings, gate: Gate) -> None:
    """Read until cancelled."""
    probe = Probe(gate.directory)
    session_ms = int(settings.session_timeout.total_seconds() * 1000)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=required_bootstrap(settings),
        group_id=settings.group,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_wait_ms=int(settings.fetch_max_wait.total_seconds() * 1000),
        session_timeout_ms=session_ms,
        heartbeat_interval_ms=session_ms // 3,
    )
    await consumer.start()
    try:
        consumer.subscribe(settings.topics_in, listener=_Assignment(gate))
        await gate.opened()
        while True:
            for records in (await consumer.getmany(timeout_ms=WAIT_MS)).values():
                probe.chunk(records)
    finally:
        await consumer.stop()
