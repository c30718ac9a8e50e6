"""What can go wrong between the application and the broker, beyond what aiokafka retries by itself."""

from collections.abc import Sequence

from faust.types import TP

from schemas.errors import SealstreamError


class FeedError(SealstreamError):
    """The broker cannot give us the records that our positions point at."""


class BrokerUnavailable(FeedError):
    """No broker answered when the application started."""


class PositionLost(FeedError):
    """The broker's log does not hold the position we stopped at: expired, truncated, or another topic by that name."""

    def __init__(self, tp: TP, position: int) -> None:
        super().__init__(
            f"{tp.topic}[{tp.partition}] does not hold position {position}: its records expired, or the topic was "
            "truncated or recreated; compare the broker's first and last offset with the stored watermark and move the "
            "watermark deliberately before starting again"
        )
        self.tp = tp
        self.position = position


class PositionsUnavailable(FeedError):
    """The application's store did not say in time where to read on."""

    def __init__(self, partitions: int, seconds: float) -> None:
        super().__init__(
            f"the store gave no positions for {partitions} partitions within {seconds:.0f} s; nothing was read; "
            "see that the database answers and start again"
        )


class BatchTooLarge(FeedError):
    """A compressed batch would unpack to more than we allow."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"a compressed batch unpacks to more than {limit_bytes} bytes")


class BatchUnreadable(FeedError):
    """A batch in the log cannot be decoded, whoever tries: corrupt, malformed, or too large (see the cause)."""

    def __init__(self, why: BaseException, places: Sequence[tuple[TP, int]]) -> None:
        # Decoding errors of others may quote the record.
        what = str(why) if isinstance(why, BatchTooLarge) else f"a batch cannot be decoded ({type(why).__name__})"
        where = ", ".join(f"{tp.topic}[{tp.partition}] at {position}" for tp, position in places)
        super().__init__(
            f"{what}, at one of: {where}; all records before it are delivered; find its producer, then move the "
            "watermark past that batch deliberately"
        )
        self.places = tuple(places)
