"""What is being read, what is out and what is done, for all partitions of a consumer. Pure: no broker, no clock."""

from collections.abc import Collection, Iterable, Mapping

from faust.types import TP

from streams.frames.budget import Budget
from streams.frames.cursor import Cursor, Place


class Hold:
    """What an unfinished frame holds: a place in its cursor and bytes of the budget."""

    __slots__ = ("cursor", "place", "released", "size", "tp")

    def __init__(self, tp: TP, cursor: Cursor, place: Place, size: int) -> None:
        self.tp = tp
        self.cursor = cursor
        self.place = place
        self.size = size
        self.released = False


class Ledger:
    """The cursors of the assigned partitions and the frames that are out.

    A partition without a cursor is not read.

    Args:
        budget_bytes: Resident bytes of records that may be out at once.
        depth: Frames of one partition that may be out at once.
    """

    def __init__(self, budget_bytes: int, depth: int) -> None:
        self.budget = Budget(budget_bytes)
        self.depth = depth
        self._cursors: dict[TP, Cursor] = {}

    def cursor(self, tp: TP) -> Cursor | None:
        """The cursor that speaks for a partition now."""
        return self._cursors.get(tp)

    def cursors(self) -> dict[TP, Cursor]:
        """All of them, as a copy."""
        return dict(self._cursors)

    def place(self, tp: TP, position: int) -> None:
        """Start a new cursor; the one before it, if any, no longer counts."""
        self.remove(tp)
        self._cursors[tp] = Cursor(position)

    def remove(self, tp: TP) -> None:
        """Retire a partition's cursor: the partition is not read until it is placed again."""
        cursor = self._cursors.pop(tp, None)
        if cursor is not None:
            cursor.retired = True

    def clear(self) -> None:
        """Retire every cursor."""
        for tp in list(self._cursors):
            self.remove(tp)

    def readable(self, active: Collection[TP]) -> list[TP]:
        """The partitions among ``active`` that may be fetched from now."""
        cursors, admits, partitions = self._cursors, self.budget.admits, len(active)
        return [
            tp
            for tp in active
            if (cursor := cursors.get(tp)) is not None and cursor.frames_out < self.depth and admits(tp, partitions)
        ]

    def idle(self, tps: Iterable[TP]) -> set[TP]:
        """Those of these partitions of which no frame is out."""
        return {tp for tp in tps if (cursor := self._cursors.get(tp)) is None or not cursor.frames_out}

    def issue(self, tp: TP, end: int, size: int) -> Hold:
        """Hand out a frame of a partition from its position to ``end``, weighing ``size`` bytes."""
        cursor = self._cursors[tp]
        hold = Hold(tp, cursor, cursor.issue(end), size)
        self.budget.take(tp, size)
        return hold

    def ack(self, hold: Hold) -> None:
        """A frame is done."""
        hold.cursor.ack(hold.place)
        self._release(hold)

    def drop(self, hold: Hold) -> bool:
        """A frame is gone from memory without an ack.

        Its bytes are free, its place is not: the partition must be placed anew, or what the frame held would be passed
        over.

        Returns:
            Whether the partition waits for that.
        """
        self._release(hold)
        return not (hold.place.acked or hold.cursor.retired)

    def _release(self, hold: Hold) -> None:
        if not hold.released:
            hold.released = True
            self.budget.give_back(hold.tp, hold.size)

    def unreported(self, tps: Iterable[TP] | None = None) -> dict[TP, int]:
        """How far partitions are acked, those Kafka was not told yet."""
        chosen = self._cursors.keys() if tps is None else self._cursors.keys() & set(tps)
        return {tp: cursor.acked_to for tp in chosen if (cursor := self._cursors[tp]).acked_to != cursor.reported_to}

    def report(self, offsets: Mapping[TP, int]) -> None:
        """Kafka was told these offsets."""
        for tp, offset in offsets.items():
            if (cursor := self._cursors.get(tp)) is not None:
                cursor.reported_to = offset
