"""What lane messages speak of, and how far each lane is read.

A message only says which row to look at. One that comes twice, late or forged costs a look, and is finished at once.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

import structlog

from agents.commits.routing import urgency_of
from agents.lanes.desk import WINDOW, Desk, Place
from agents.lanes.messages import TOPIC_PREFIX, read_lane_message
from agents.lanes.prefix import Prefix
from streams.endurance import Part
from streams.lanes import LaneRecord
from streams.storage.database import Database
from streams.storage.deferring import EndingStore, Waiting, WaitingRecord, find_waiting, oldest_waiting
from streams.storage.watermarks import Partition

log = structlog.get_logger(__name__)

Named = Mapping[Waiting, list[Place]]
"""Records with the messages that named them."""


class LaneReading:
    """The lanes of one worker.

    Args:
        store: Has the positions.
        part: Outlasts outages of the database.
        desk: What is in work; a lane is held while there is no room.

    Attributes:
        ignored: Messages that were not followed, by why.
    """

    def __init__(self, database: Database, store: EndingStore, part: Part, desk: Desk) -> None:
        self.ignored: Counter[str] = Counter()
        self._database = database
        self._store = store
        self._part = part
        self._desk = desk
        self._prefixes: dict[Partition, Prefix] = {}

    async def positions(self, places: Collection[Partition]) -> Mapping[Partition, int | None]:
        """Where newly assigned partitions are read on."""
        stored = await self._part.outlast(lambda: self._store.positions(places))
        for place in places:
            found = stored.get(place)
            self._prefixes[place] = Prefix(*place, found.offset if found else None, found.era if found else 0)
        return {place: stored[place].offset if place in stored else None for place in places}

    def revoked(self, places: Collection[Partition]) -> None:
        """Somebody else may have these by now; what is in work of them still ends, here or there."""
        for place in places:
            prefix = self._prefixes.pop(place, None)
            if prefix is not None:
                prefix.revoked = True

    def is_held(self, place: Partition) -> bool:
        """Whether a lane is not to be read for the moment."""
        prefix = self._prefixes.get(place)
        urgency = urgency_of(place[0].removeprefix(TOPIC_PREFIX))
        return prefix is None or len(prefix) >= WINDOW or not self._desk.has_room(urgency)

    async def waiting(self, records: Sequence[LaneRecord]) -> tuple[list[WaitingRecord], Named]:
        """The records that these messages name, that wait and are not in work; every other message is finished."""
        named, done = self._named(records)
        found = await self._found(named)
        for name, places in named.items():
            topics = {prefix.topic for prefix, _ in places}
            if name in found and f"{TOPIC_PREFIX}{found[name].lane}" in topics:
                continue
            # Ended before, or nobody has ever deferred it: a message proves nothing.
            self.ignored["elsewhere" if name in found else "not_waiting"] += len(places)
            found.pop(name, None)
            done += places
        finish(done)
        return list(found.values()), named

    async def left_over(self, age: timedelta, limit: int) -> list[WaitingRecord]:
        """Records that have waited so long, the oldest first; with no message, since nobody reads for them."""

        async def look() -> list[Waiting]:
            async with self._database.session(clean=True) as connection:
                return await oldest_waiting(connection, age, limit)

        if not (names := await self._part.outlast(look)):
            return []
        log.warning("lane.records_without_message", records=len(names))
        return list((await self._found(names)).values())

    def _named(self, records: Sequence[LaneRecord]) -> tuple[dict[Waiting, list[Place]], list[Place]]:
        """What is named and not in work, and the places of messages that can't be read."""
        named: dict[Waiting, list[Place]] = {}
        done: list[Place] = []
        for record in records:
            prefix = self._prefixes.get((record.topic, record.partition))
            if prefix is None:
                continue  # revoked since it was fetched
            prefix.read(record.offset)
            name = read_lane_message(record.value)
            work = self._desk.get(name) if name is not None else None
            if name is None:
                self.ignored["unreadable"] += 1
                log.warning("lane.message_ignored", topic=record.topic, partition=record.partition)
                done.append((prefix, record.offset))
            elif work is not None:
                work.places.append((prefix, record.offset))
            else:
                named.setdefault(name, []).append((prefix, record.offset))
        return named, done

    async def _found(self, names: Collection[Waiting]) -> dict[Waiting, WaitingRecord]:
        async def find() -> dict[Waiting, WaitingRecord]:
            async with self._database.session(clean=True) as connection:
                return await find_waiting(connection, names)

        return await self._part.outlast(find) if names else {}


def finish(places: Sequence[Place]) -> None:
    """Messages are done: nobody has to look at them again."""
    for prefix, offset in places:
        prefix.finish([offset])
