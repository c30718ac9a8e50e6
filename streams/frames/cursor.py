"""Where one assignment of one partition stands. Which partitions have a cursor, and bytes, are the ledger's part."""

from collections import deque


class Place:
    """A frame's place in its cursor: where it ends, and whether it was acked."""

    __slots__ = ("acked", "end")

    def __init__(self, end: int) -> None:
        self.end = end
        self.acked = False


class Cursor:
    """The position of the next frame and the acks of those before it.

    A seek, a revocation or a new assignment never changes a cursor, it retires it and starts another one: what frames
    of a retired cursor do later no longer counts.

    Attributes:
        position: Where the next frame begins.
        acked_to: Everything between the start and here is acked; at most ``position``.
        reported_to: What Kafka was last told of ``acked_to``; None before the first time.
        frames_out: Frames handed out and not acked yet.
        retired: Another cursor, or none, speaks for the partition now.
    """

    __slots__ = ("_places", "acked_to", "frames_out", "position", "reported_to", "retired")

    def __init__(self, start: int) -> None:
        self.position = start
        self.acked_to = start
        self.reported_to: int | None = None
        self.frames_out = 0
        self.retired = False
        self._places: deque[Place] = deque()

    def issue(self, end: int) -> Place:
        """Hand out the frame from ``position`` to ``end`` (exclusive).

        Raises:
            ValueError: The frame would be empty or overlap the one before.
        """
        if end <= self.position:
            raise ValueError(f"a frame from {self.position} cannot end at {end}")
        place = Place(end)
        self._places.append(place)
        self.frames_out += 1
        self.position = end
        return place

    def ack(self, place: Place) -> None:
        """Note that a frame is done; ``acked_to`` moves only over the finished prefix. Repeating it is harmless."""
        if place.acked:
            return
        place.acked = True
        self.frames_out -= 1
        while self._places and self._places[0].acked:
            self.acked_to = self._places.popleft().end
