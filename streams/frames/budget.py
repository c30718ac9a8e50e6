"""How many bytes of records may be in work at once, shared fairly. Which frames hold them is the ledger's part."""

from collections import Counter

from faust.types import TP


class Budget:
    """A byte budget that partitions borrow from.

    Bytes count from the fetch until the frame is acked or gone from memory, whichever cursor it belonged to. The check
    comes before the fetch, so one fetch may go over the limit; a frame larger than the whole budget is still let
    through when nothing else is held, or it would never be.
    """

    __slots__ = ("_held", "held_bytes", "limit_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0
        self._held: Counter[TP] = Counter()

    def take(self, tp: TP, size: int) -> None:
        """Count ``size`` bytes of a partition as held."""
        self._held[tp] += size
        self.held_bytes += size

    def give_back(self, tp: TP, size: int) -> None:
        """Count ``size`` bytes of a partition as free again."""
        self.held_bytes -= size
        left = self._held[tp] - size
        if left:
            self._held[tp] = left
        else:
            del self._held[tp]

    def admits(self, tp: TP, partitions: int) -> bool:
        """Whether a partition, one of ``partitions`` being read, may fetch more.

        Anyone may borrow from the first half; beyond it each partition has its share only, so that one with large
        records cannot starve the others.
        """
        if self.held_bytes >= self.limit_bytes:
            return False
        return self.held_bytes * 2 < self.limit_bytes or self._held[tp] * partitions < self.limit_bytes
