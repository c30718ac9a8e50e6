"""The callbacks of a group rebalance. What they do to cursors is the consumer's part."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from aiokafka import TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from faust.transport.consumer import ensure_TPset

if TYPE_CHECKING:
    from streams.frames.consumer import FrameConsumer


class FrameRebalanceListener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Passes aiokafka's rebalances on; aiokafka only logs what a listener raises, so an error crashes the app here."""

    def __init__(self, consumer: "FrameConsumer") -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Suspend the flow, wait for frames in work, forget all cursors."""
        try:
            self._consumer.app.on_rebalance_start()
            await self._consumer.on_partitions_revoked(ensure_TPset(revoked))
        except Exception as exc:
            await self._consumer.crash(exc)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Hold the new partitions at once, then let Faust find out where to read on."""
        tps = ensure_TPset(assigned)
        try:
            # Before the first await: aiokafka's fetcher runs beside this and would look for Kafka's own offset.
            generation = self._consumer.hold_assigned(tps)
            await self._consumer.on_partitions_assigned(tps, generation)
        except Exception as exc:
            await self._consumer.crash(exc)
