"""What can go wrong between the application and the broker, beyond what aiokafka retries by itself."""

from faust.types import TP

from schemas.errors import SealstreamError, Unavailable


class FeedError(SealstreamError):
    """The broker cannot give us the records that our positions point at."""


class BrokerUnavailable(FeedError, Unavailable):
    """No broker answered."""


class PositionLost(FeedError):
    """The broker's log does not hold the position we read at; the application is asked again where to read on."""

    def __init__(self, tp: TP, position: int) -> None:
        super().__init__(f"{tp.topic}[{tp.partition}] does not hold position {position}")
        self.tp = tp
        self.position = position


class PositionsUnavailable(FeedError, Unavailable):
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
