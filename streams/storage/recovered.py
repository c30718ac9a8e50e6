"""Leaves that were brought back from the audit topic, and whose records wait to be processed again.

Their rows are gone; the watermarks that would say that they were processed are too. When a record comes again, its new
leaf names the first one (`Leaf.first`), so that nobody counts it twice.
"""

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from streams.storage.database import Connection
from streams.storage.shards import SHARDS

Named = tuple[int, UUID, bool, bool]
"""Log id, record or message id, and whether the leaf notes a repeat, or ends a record that was deferred: a record has
one decision and any repeats, and a deferred one an end beside."""


class Recovered:
    """The recovered leaves of some names, of which a commit takes those that it says again."""

    def __init__(self, waiting: Mapping[Named, list[tuple[int, str]]]) -> None:
        self._waiting = waiting
        self.taken: list[tuple[int, int]] = []

    @property
    def is_empty(self) -> bool:
        """Whether there never was any, as nearly always."""
        return not self._waiting

    def take(self, log_id: int, name: UUID, *, repeat: bool = False, ending: bool = False) -> str | None:
        """Where the first recovered leaf of this name stands that is not said again yet; it is from now on."""
        places = self._waiting.get((log_id, name, repeat, ending))
        if not places:
            return None
        index, place = places.pop(0)
        self.taken.append((log_id, index))
        return place


async def any_recovered(connection: Connection) -> bool:
    """Whether any recovered leaf waits for its record."""
    found: bool = await connection.fetchval("SELECT EXISTS (SELECT 1 FROM recovered_leaves)")
    return found


async def find_recovered(connection: Connection, names: Collection[UUID]) -> Recovered:
    """The recovered leaves of these names, locked until the transaction ends."""
    rows = await connection.fetch(
        f"""
        SELECT r.log_id, r.name, r.repeat, r.ending, r.index, s.origin || '#' || r.index - s.start AS place
        FROM recovered_leaves r JOIN ({SHARDS}) AS s ON s.log_id = r.log_id AND r.index >= s.start
            AND (s."end" IS NULL OR r.index < s."end")
        WHERE r.name = ANY($1::uuid[]) ORDER BY r.log_id, r.index FOR UPDATE OF r
        """,  # noqa: S608 our own text
        list(names),
    )
    waiting: dict[Named, list[tuple[int, str]]] = {}
    for row in rows:
        named = row["log_id"], row["name"], row["repeat"], row["ending"]
        waiting.setdefault(named, []).append((row["index"], row["place"]))
    return Recovered(waiting)


async def forget_recovered(connection: Connection, taken: Iterable[tuple[int, int]]) -> None:
    """These leaves have been said again."""
    places = sorted(taken)
    await connection.execute(
        "DELETE FROM recovered_leaves r USING unnest($1::int[], $2::bigint[]) AS t(log_id, index) "
        "WHERE r.log_id = t.log_id AND r.index = t.index",
        [log_id for log_id, _ in places],
        [index for _, index in places],
    )
