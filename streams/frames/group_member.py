"""A Faust consumer over a ``KafkaReader``: what Faust asks of any consumer. Frames are ``consumer``'s part."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, cast

import structlog
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import ConsumerStoppedError
from faust.exceptions import ConsumerNotStarted
from faust.transport import consumer as base
from faust.types import TP
from mode import Service

from schemas.errors import ConfigurationError
from streams.frames.kafka import KafkaReader
from streams.frames.options import FrameOptions
from streams.frames.probe import PartitionProbe

log = structlog.get_logger(__name__)

JOIN_POLL_SECONDS = 0.5


class GroupMember(base.Consumer):
    """Connects to Kafka, joins the app's group and answers questions about partitions."""

    consumer_stopped_errors: ClassVar[tuple[type[BaseException], ...]] = (ConsumerStoppedError,)

    def __init__(self, transport: Any, *args: Any, options: FrameOptions, **kwargs: Any) -> None:
        super().__init__(transport, *args, **kwargs)
        self.options = options
        self._started_reader: KafkaReader | None = None

    @property
    def reader(self) -> KafkaReader:
        """The connection.

        Raises:
            ConsumerNotStarted: What Faust expects when an app is stopped before it was started.
        """
        if self._started_reader is None:
            raise ConsumerNotStarted("the frame consumer is not started")
        return self._started_reader

    async def on_start(self) -> None:
        """Connect."""
        transport = cast(Any, self.transport)
        reader = KafkaReader(self.app, transport.url, transport.default_port, self.options)
        await reader.start()
        self._started_reader = reader

    @Service.task
    async def _hear_of_refusals(self) -> None:
        """Ask nowhere for records while the group is joined.

        Faust fetches only once it has partitions, and only who fetches is told that the group refuses us.
        """
        while not self.should_stop and not self.assignment():
            await self.reader.fetch((), 0.0, 1)
            await self.sleep(JOIN_POLL_SECONDS)

    async def on_stop(self) -> None:
        """Tell Kafka the last offsets and leave the group."""
        await super().on_stop()
        if self._started_reader is not None and not await self._started_reader.stop():
            log.warning("frames.group_not_left", reason="no answer; the session timeout ends the membership")

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group for these topics."""
        self.reader.subscribe(topics, self._new_listener())

    @abstractmethod
    def _new_listener(self) -> ConsumerRebalanceListener: ...

    def assignment(self) -> set[TP]:
        """The partitions assigned now."""
        return self.reader.assignment()

    async def answers(self) -> None:
        """Return once a broker has answered.

        Raises:
            BrokerUnavailable: None did.
        """
        await self.reader.answers()

    def highwater(self, tp: TP) -> int:
        """The end of what may be read of a partition, as of its last fetch; 0 before the first."""
        return self.reader.stable_end(tp) or 0

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """The first offset the broker holds of each partition."""
        return await self.reader.starts(partitions)

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """The end of each partition."""
        return await self.reader.ends(partitions)

    @property
    def probe(self) -> PartitionProbe:
        """Looks at what the broker holds of partitions."""
        return self.reader.probe

    def topic_partitions(self, topic: str) -> int | None:
        """How many partitions a topic has; None when it is not known."""
        return self.reader.partitions(topic)

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> int | None:
        """Left to the producer."""
        return partition

    async def create_topic(self, topic: str, *args: Any, **kwargs: Any) -> None:
        """Refused: topics are the operator's."""
        raise ConfigurationError(f"topic {topic} must exist beforehand; create it with `sealstream topics create`")

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Seek several partitions."""
        for tp, offset in partitions.items():
            await self.seek(tp, offset)

    def on_buffer_full(self, tp: TP) -> None:
        """Ignored: the byte budget is the flow control."""

    def on_buffer_drop(self, tp: TP) -> None:
        """Ignored: the byte budget is the flow control."""

    def verify_recovery_event_path(self, now: float, tp: TP) -> None:
        """Nothing to verify: there are no tables."""

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)
