"""Where lane messages come from; Kafka's is `streams.lanes`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from streams.lanes import LaneRecord
from streams.storage.watermarks import Partition


class Lanes(Protocol):
    """The partitions that are ours, for as long as they are."""

    async def take(self, most: int, held: Callable[[Partition], bool]) -> Sequence[LaneRecord]:
        """The next messages, in order within each partition; waits a moment when there are none.

        Args:
            most: How many.
            held: Which partitions must not be read now.

        Raises:
            Unavailable: Begin anew.
        """
        ...

    async def tell(self, positions: Mapping[Partition, int]) -> None:
        """Say how far we are, to whoever watches; nothing of ours reads it."""
        ...
