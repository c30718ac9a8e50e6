"""How an application reads frames. What Faust itself needs to know is in ``streams.app``."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from faust.types import TP

from schemas.errors import ConfigurationError
from streams.frames.decompression import MAX_BATCH_BYTES

if TYPE_CHECKING:
    from streams.frames.consumer import FrameConsumer

PositionSource = Callable[["FrameConsumer", Collection[TP]], Awaitable[Mapping[TP, int]]]
"""Tells where to read on in partitions, at each assignment and whenever the broker doesn't hold the position any more.
One that is missing in the answer is not read at all."""

# Each of these would break a promise of the transport: positions come from the store, never from Kafka, and a frame's
# records are raw, committed and complete.
OWN_OPTIONS = frozenset(
    {
        "auto_offset_reset",
        "bootstrap_servers",
        "enable_auto_commit",
        "group_id",
        "isolation_level",
        "key_deserializer",
        "max_poll_records",
        "value_deserializer",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameOptions:
    """Settings of the frame transport for one application.

    Attributes:
        positions: Where to read on, asked at each assignment; new groups usually answer the earliest offset.
        budget_bytes: Resident bytes of records that may be in work at once. Beside it aiokafka holds up to one fetched
            chunk for each partition, ``fetch_max_bytes`` (a quarter of the budget) in all, as compressed as it came.
        depth: Frames of one partition that may be in work at once. With 1 frames grow with the load by themselves.
        max_frame_records: Records in a frame at most.
        max_batch_bytes: What one compressed batch may unpack to; one that would be more is passed over, as
            ``Frame.unreadable``. Holds for the whole process.
        drain_timeout: How long a revocation or a stop waits for frames in work to be acked.
        on_agent_error: What follows an exception in an agent, which to Faust is the end of its frame like any other.
            "crash" stops the app; "reread" asks the store again and goes on there, after a pause.
        consumer_options: More arguments for ``AIOKafkaConsumer``.
    """

    positions: PositionSource
    budget_bytes: int = 32 << 20
    depth: int = 1
    max_frame_records: int = 2_000
    max_batch_bytes: int = MAX_BATCH_BYTES
    drain_timeout: timedelta = timedelta(seconds=5)
    on_agent_error: Literal["crash", "reread"] = "crash"
    consumer_options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if min(self.budget_bytes, self.depth, self.max_frame_records, self.max_batch_bytes) < 1:
            raise ConfigurationError("budget_bytes, depth, max_frame_records and max_batch_bytes must be at least 1")
        if refused := OWN_OPTIONS & self.consumer_options.keys():
            raise ConfigurationError(f"consumer_options must not set {', '.join(sorted(refused))}: the transport does")
