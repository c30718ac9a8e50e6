"""Everything this package asks of aiokafka, with Faust's types outside. When to ask it is the consumer's part."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError, OffsetOutOfRangeError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth, server_list
from faust.types import TP, AppT
from yarl import URL

from streams.frames.batches import FetchedRecord, UnreadableBatch
from streams.frames.decompression import bound_decompression
from streams.frames.errors import BrokerUnavailable, FeedError, PositionLost
from streams.frames.internals import (
    client_of,
    end_fetches,
    fetch_beside_held_partitions,
    group_generation,
    next_fetch,
    unpack_guarded,
)
from streams.frames.options import FrameOptions
from streams.frames.probe import PartitionProbe

# aiokafka has one fetch in flight for each broker, and the broker holds it this long when it has nothing: the most that
# a partition released in the meantime waits.
FETCH_MAX_WAIT_MS = 50
# How long aiokafka waits for what it fetched to be taken, before it fetches from other partitions: without it, it would
# before anybody is told, and a partition that then rests would be missing from that fetch.
TAKEN_WITHIN_SECONDS = 0.005
# aiokafka retries both of these for as long as the broker is away, and neither is needed for correctness.
COMMIT_TIMEOUT_SECONDS = 5.0
LEAVE_TIMEOUT_SECONDS = 10.0
ANSWER_TIMEOUT_SECONDS = 5.0

NOWHERE = TopicPartition("", -1)  # to aiokafka, no partition at all means every one


class Chunk(NamedTuple):
    """What one fetch brought from one partition.

    Attributes:
        end: The position after it: beyond the last record where aborted or control records follow.
        unreadable: Batches between the records that can't be unpacked, in offset order.
        corrupt: A batch at `end` that can't be trusted in anything; nothing behind it was read.
    """

    tp: TP
    records: list[FetchedRecord]
    end: int
    unreadable: Sequence[UnreadableBatch] = ()
    corrupt: UnreadableBatch | None = None


class KafkaReader:
    """A group member that reads committed records from positions it is told, and never from others."""

    def __init__(self, app: AppT, urls: list[URL], default_port: int, options: FrameOptions) -> None:
        self._max_batch_bytes = options.max_batch_bytes
        self._kafka = AIOKafkaConsumer(**_settings(app, urls, default_port, options))
        self._interrupted = False
        self._waiting: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Connect; the group is joined by ``subscribe``."""
        bound_decompression(self._max_batch_bytes)
        try:
            await self._kafka.start()
            fetch_beside_held_partitions(self._kafka, TAKEN_WITHIN_SECONDS)
            unpack_guarded(self._kafka)
            end_fetches(self._kafka)
        except BaseException:
            await self._kafka.stop()
            raise

    async def stop(self) -> bool:
        """Leave the group and disconnect; False when the broker did not answer in time."""
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_SECONDS):
                await self._kafka.stop()
        except TimeoutError:
            return False
        return True

    def subscribe(self, topics: Iterable[str], listener: ConsumerRebalanceListener) -> None:
        """Join the group for these topics in place of earlier ones."""
        self._kafka.subscribe(topics=set(topics), listener=listener)

    @property
    def generation(self) -> int:
        """The generation of the group we are in."""
        return group_generation(self._kafka)

    def assignment(self) -> set[TP]:
        """The partitions assigned to us."""
        return {TP(*tp) for tp in self._kafka.assignment()}

    def hold(self, tps: Iterable[TP]) -> None:
        """Keep partitions from being read.

        A position, even a wrong one, keeps aiokafka from looking up Kafka's own offset and from raising where there is
        none; the pause keeps it from reading there.
        """
        for tp in tps:
            self._kafka.seek(TopicPartition(*tp), 0)
            self._kafka.pause(TopicPartition(*tp))

    def read_from(self, tp: TP, position: int) -> bool:
        """Read a partition from a position on; False when it is not ours any more."""
        kafka_tp = TopicPartition(*tp)
        if kafka_tp not in self._kafka.assignment():
            return False
        self._kafka.seek(kafka_tp, position)
        self._kafka.resume(kafka_tp)
        return True

    def rest(self, tp: TP) -> None:
        """Fetch nothing more of a partition that is ours, until `wake`."""
        self._kafka.pause(TopicPartition(*tp))

    def wake(self, tp: TP) -> None:
        """Go on fetching a partition at its position, if it is still ours."""
        if (kafka_tp := TopicPartition(*tp)) in self._kafka.assignment():
            self._kafka.resume(kafka_tp)

    def interrupt(self) -> None:
        """End whatever waits in `fetch` or `pause`, with nothing."""
        self._interrupted = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def pause(self, seconds: float) -> None:
        """Wait, and ask nothing of Kafka, until `interrupt`."""
        self._interrupted = False
        await self._wait(asyncio.get_running_loop().create_future(), seconds)

    async def fetch(self, tps: Collection[TP], seconds: float, max_records: int) -> list[Chunk]:
        """Take what is fetched, or wait for it until `interrupt`. Cancelling it loses no records.

        Args:
            tps: Where to read; without any, this only waits.
            seconds: How long to wait.
            max_records: Records to take in all.

        Raises:
            PositionLost: The broker does not hold the position of a partition.
            BrokerUnavailable: A broker is not itself yet.
            FeedError: The broker refuses for another reason.
        """
        self._interrupted = False
        kafka_tps = [TopicPartition(*tp) for tp in tps] or [NOWHERE]
        try:
            fetched = await self._kafka.getmany(*kafka_tps, max_records=max_records)
            if not fetched and seconds and not self._interrupted:
                await self._wait(next_fetch(self._kafka), seconds)
                if not self._interrupted:
                    fetched = await self._kafka.getmany(*kafka_tps, max_records=max_records)
        except asyncio.CancelledError:
            end_fetches(self._kafka)
            raise
        except OffsetOutOfRangeError as exc:
            ((kafka_tp, position),) = exc.args[0].items()
            raise PositionLost(TP(*kafka_tp), position) from exc
        except KafkaError as exc:  # what passes is retried inside aiokafka
            if type(exc) is KafkaError and exc.__cause__ is None:
                # Its word for an answer it has no name for, as brokers give to a group while they start.
                raise BrokerUnavailable("a broker answered the group with an error of no known kind") from exc
            raise FeedError(
                f"reading from Kafka failed for good with {type(exc).__name__}; check the topics, the rights on them "
                "and on the group, and the broker's log"
            ) from exc
        return [
            self._chunk(TP(*kafka_tp), items, await self._position(kafka_tp)) for kafka_tp, items in fetched.items()
        ]

    async def _wait(self, future: asyncio.Future[None], seconds: float) -> None:
        self._waiting = future
        alarm = asyncio.get_running_loop().call_later(seconds, self.interrupt)
        try:
            await future
        finally:
            alarm.cancel()
            self._waiting = None

    def _chunk(self, tp: TP, items: list[FetchedRecord | UnreadableBatch], end: int) -> Chunk:
        if UnreadableBatch not in set(map(type, items)):
            return Chunk(tp, items, end)  # type: ignore[arg-type]  # all of them are records
        records = [item for item in items if isinstance(item, FetchedRecord)]
        unreadable = [item for item in items if isinstance(item, UnreadableBatch)]
        for n, batch in enumerate(unreadable):
            # What its header says is believed within the log's bounds only.
            if batch.why == "corrupt" or batch.last >= (self._kafka.highwater(TopicPartition(*tp)) or 0):
                self.read_from(tp, batch.first)
                before = [record for record in records if record.offset < batch.first]
                return Chunk(tp, before, batch.first, unreadable[:n], batch)
        return Chunk(tp, records, end, unreadable)

    async def _position(self, tp: tuple[str, int]) -> int:
        position: int = await self._kafka.position(TopicPartition(*tp))  # suspends only where there is none yet
        return position

    async def commit(self, offsets: Mapping[TP, int]) -> str | None:
        """Tell Kafka the group's offsets; returns why it did not take them, or None."""
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_SECONDS):
                await self._kafka.commit({TopicPartition(*tp): OffsetAndMetadata(at, "") for tp, at in offsets.items()})
        except (KafkaError, IllegalStateError, TimeoutError) as exc:
            return type(exc).__name__
        return None

    async def answers(self) -> None:
        """Return once a broker has answered.

        Raises:
            BrokerUnavailable: None did.
        """
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
                await self._kafka.topics()
        # With all brokers gone at once aiokafka's client has awaited a connection twice, which is a RuntimeError.
        except (KafkaError, RuntimeError, TimeoutError) as exc:
            raise BrokerUnavailable(f"no broker answers ({type(exc).__name__})") from exc

    async def starts(self, tps: Iterable[TP]) -> dict[TP, int]:
        """The first offset the broker holds of each partition."""
        found = await self._kafka.beginning_offsets([TopicPartition(*tp) for tp in tps])
        return {TP(*tp): offset for tp, offset in found.items()}

    async def ends(self, tps: Iterable[TP]) -> dict[TP, int]:
        """The end of each partition."""
        found = await self._kafka.end_offsets([TopicPartition(*tp) for tp in tps])
        return {TP(*tp): offset for tp, offset in found.items()}

    def stable_end(self, tp: TP) -> int | None:
        """The end of what may be read of a partition, as of its last fetch."""
        end: int | None = self._kafka.last_stable_offset(TopicPartition(*tp))
        return end

    @property
    def probe(self) -> PartitionProbe:
        """Looks at what the broker holds, over our connections."""
        return PartitionProbe(client_of(self._kafka))

    def partitions(self, topic: str) -> int | None:
        """How many partitions a topic has; None when it is not known."""
        return len(self._kafka.partitions_for_topic(topic) or ()) or None


def _settings(app: AppT, urls: list[URL], default_port: int, options: FrameOptions) -> dict[str, Any]:
    conf = app.conf
    return {
        "bootstrap_servers": server_list(urls, default_port),
        "client_id": conf.broker_client_id,
        "group_id": conf.id,
        "group_instance_id": conf.consumer_group_instance_id,
        "partition_assignment_strategy": [RoundRobinPartitionAssignor],
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "isolation_level": "read_committed",
        "check_crcs": conf.broker_check_crcs,
        "fetch_max_wait_ms": FETCH_MAX_WAIT_MS,
        "fetch_max_bytes": max(1, options.budget_bytes // 4),
        "max_partition_fetch_bytes": conf.consumer_max_fetch_size,
        "max_poll_interval_ms": _milliseconds(conf.broker_max_poll_interval),
        "session_timeout_ms": _milliseconds(conf.broker_session_timeout),
        "heartbeat_interval_ms": _milliseconds(conf.broker_heartbeat_interval),
        "rebalance_timeout_ms": _milliseconds(conf.broker_rebalance_timeout),
        "request_timeout_ms": _milliseconds(conf.broker_request_timeout),
        "metadata_max_age_ms": conf.consumer_metadata_max_age_ms,
        "connections_max_idle_ms": conf.consumer_connections_max_idle_ms,
        **credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
        **options.consumer_options,
    }


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
