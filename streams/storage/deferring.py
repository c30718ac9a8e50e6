"""Records that wait in a lane: looking them up, and the transaction that ends some of them.

The table decides: whoever changes a record's state from `accepted` has ended it, and nobody else can. A lane's messages
and its watermark only say what to look at.
"""

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import asyncpg

from streams.storage.commit_rows import CommitRows, write_rows
from streams.storage.database import Connection, Database
from streams.storage.erasing import Erased, find_erased
from streams.storage.recovered import Recovered, any_recovered, find_recovered, forget_recovered
from streams.storage.registry import hold_registry
from streams.storage.stalled import end_stalled_sessions
from streams.storage.watermarks import PartialClaim, Partition, StoredPosition, WatermarkStep, claim_steps
from streams.storage.watermarks import read_positions as read_watermarks

Waiting = tuple[UUID, int]
"""A record, and the commit that accepted it: a replay accepts it another time."""

DONE: Final = "done"
FAILED: Final = "failed"


@dataclass(frozen=True, slots=True)
class WaitingRecord:
    """A record that waits, with its message's sealed bytes.

    Attributes:
        lane: Modality and urgency.
        models: `name@version` of each, separated by spaces.
        accepted_at: When its row was written.
        evidence: None once erased.
    """

    record_id: UUID
    commit_id: int
    log_id: int
    origin: str
    tenant: str
    domain: str
    lane: str
    models: str
    deadline: dt.datetime
    accepted_at: dt.datetime
    topic: str
    part: int
    kafka_offset: int
    received_at: dt.datetime
    pass_id: int
    evidence: bytes | None

    @property
    def name(self) -> Waiting:
        """What it is called in a lane."""
        return self.record_id, self.commit_id


_WAITING: Final = """
    SELECT d.record_id, d.commit_id, d.log_id, l.origin, d.tenant, m.domain, d.lane, d.models, d.deadline,
        d.created_at AS accepted_at, m.topic, m.part, m.kafka_offset, m.received_at, m.pass_id, m.evidence
    FROM deferred d JOIN logs l USING (log_id)
    JOIN messages m ON m.message_id = d.record_id AND m.log_id = d.log_id AND m.commit_id = d.commit_id
"""


async def find_waiting(connection: Connection, names: Collection[Waiting]) -> dict[Waiting, WaitingRecord]:
    """Those of these records that wait."""
    rows = await connection.fetch(
        f"{_WAITING} JOIN unnest($1::uuid[], $2::bigint[]) AS w(record_id, commit_id) "
        "ON d.record_id = w.record_id AND d.commit_id = w.commit_id WHERE d.state = 'accepted'",
        [record for record, _ in names],
        [commit for _, commit in names],
    )
    return {(row["record_id"], row["commit_id"]): WaitingRecord(**row) for row in rows}


async def oldest_waiting(connection: Connection, older_than: dt.timedelta, limit: int) -> list[Waiting]:
    """The records that have waited longer than this, the oldest first."""
    rows = await connection.fetch(
        """
        SELECT record_id, commit_id FROM deferred
        WHERE state = 'accepted' AND created_at < clock_timestamp() - $1::interval ORDER BY created_at LIMIT $2
        """,
        older_than,
        limit,
    )
    return [(row["record_id"], row["commit_id"]) for row in rows]


@dataclass(frozen=True, slots=True)
class DeferredCounts:
    """How many records were ever deferred, by their state now."""

    accepted: int
    done: int
    failed: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.accepted + self.done + self.failed


async def deferred_counts(connection: Connection) -> DeferredCounts:
    """Count them; for reports."""
    rows = await connection.fetch("SELECT state, count(*) AS records FROM deferred GROUP BY state")
    found = {row["state"]: row["records"] for row in rows}
    return DeferredCounts(found.get("accepted", 0), found.get(DONE, 0), found.get(FAILED, 0))


@dataclass(frozen=True, slots=True)
class LaneDepth:
    """What waits in one lane.

    Attributes:
        lane: Modality and urgency.
        seconds: Since the oldest of it was accepted.
        late: How many are past their deadline.
    """

    lane: str
    records: int
    seconds: float
    late: int


async def lane_depths(connection: Connection) -> list[LaneDepth]:
    """Of every lane in which something waits; the index of what waits is all that is read."""
    rows = await connection.fetch(
        """
        SELECT lane, count(*) AS records, count(*) FILTER (WHERE deadline < clock_timestamp()) AS late,
            greatest(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS seconds
        FROM deferred WHERE state = 'accepted' GROUP BY lane ORDER BY lane
        """
    )
    return [LaneDepth(**row) for row in rows]


async def hold_waiting(connection: Connection, records: Collection[UUID]) -> None:
    """Keep what waits of these from being ended until the transaction ends; what follows sees what was ended before."""
    await connection.execute(
        "SELECT FROM deferred WHERE record_id = ANY($1::uuid[]) ORDER BY record_id, commit_id FOR UPDATE",
        list(records),
    )


@dataclass(frozen=True, slots=True)
class Granted:
    """What the database granted of an ending.

    Attributes:
        won: Those that nobody had ended before.
        moved: The lane partitions that moved.
        erased: What must not be kept of those that were won.
        recovered: Leaves of their ends that were brought back from the audit topic.
    """

    won: frozenset[Waiting]
    moved: frozenset[Partition]
    erased: Erased
    recovered: Recovered = field(default_factory=lambda: Recovered({}))


@dataclass(frozen=True, slots=True)
class EndingRequest:
    """Some records that are to end in one commit.

    Attributes:
        states: `done` or `failed`, by record.
        registry: Revision of the key registry by which they were sealed.
        finish: Builds the rows of what was granted; called inside the transaction, must not wait.
    """

    commit_id: int
    states: Mapping[Waiting, str]
    steps: Sequence[WatermarkStep]
    registry: int
    finish: Callable[[Granted], CommitRows]


class EndingStore:
    """Ends records for one consumer group of lanes on one cluster."""

    def __init__(self, database: Database, *, group: str, cluster: str) -> None:
        self._database = database
        self.group = group
        self.cluster = cluster
        self._after_recovery: bool | None = None

    async def positions(self, places: Collection[Partition]) -> dict[Partition, StoredPosition]:
        """Where these lane partitions are to be read on."""
        async with self._database.session() as connection:
            return await read_watermarks(connection, self.group, self.cluster, places)

    async def end(self, request: EndingRequest) -> Granted:
        """End them in one transaction: watermarks, states, then everything else. Durable when it returns.

        A partition that stands elsewhere by now is left out, and the records end all the same.

        Raises:
            RegistryChanged: They have to be sealed anew; nothing is stored.
        """
        steps = list(request.steps)
        async with self._database.session(clean=True) as connection:
            while True:
                try:
                    return await self._attempt(connection, request, steps)
                except _NothingToSay:
                    return Granted(frozenset(), frozenset(), Erased())
                except PartialClaim as claim:
                    steps = [step for step in steps if step.place not in claim.places]
                except asyncpg.LockNotAvailableError:
                    await end_stalled_sessions(connection)
                    raise

    async def _attempt(self, connection: Connection, request: EndingRequest, steps: Sequence[WatermarkStep]) -> Granted:
        async with connection.transaction():
            await hold_registry(connection, request.registry)
            moved = (
                await claim_steps(connection, self.group, self.cluster, request.commit_id, steps) if steps else set()
            )
            won = await _end(connection, request)
            # After the rows are locked: whoever erases one of these records waits for us, or we see that it did.
            records = [record for record, _ in won]
            erased = await find_erased(connection, records)
            after_recovery = await self._is_after_recovery(connection)
            recovered = await find_recovered(connection, records) if after_recovery else Recovered({})
            granted = Granted(frozenset(won), frozenset(moved), erased, recovered)
            if won:
                await write_rows(connection, request.finish(granted))
            elif moved:
                raise _NothingToSay
            if recovered.taken:
                await forget_recovered(connection, recovered.taken)
            return granted

    async def _is_after_recovery(self, connection: Connection) -> bool:
        """Whether there are recovered leaves; a recovery runs while no worker does, so one look tells."""
        if self._after_recovery is None:
            self._after_recovery = await any_recovered(connection)
        return self._after_recovery


class _NothingToSay(Exception):
    """A watermark is signed in a leaf's commit: without a leaf it does not move."""


async def _end(connection: Connection, request: EndingRequest) -> set[Waiting]:
    ordered = sorted(request.states.items())
    rows = await connection.fetch(
        """
        UPDATE deferred d SET state = w.state, ended_commit = $4
        FROM (
            SELECT d.record_id, d.commit_id, w.state FROM deferred d
            JOIN unnest($1::uuid[], $2::bigint[], $3::text[]) AS w(record_id, commit_id, state)
                USING (record_id, commit_id)
            WHERE d.state = 'accepted' ORDER BY d.record_id, d.commit_id FOR UPDATE OF d
        ) AS w
        WHERE d.record_id = w.record_id AND d.commit_id = w.commit_id AND d.state = 'accepted'
        RETURNING d.record_id, d.commit_id
        """,
        [record for (record, _), _ in ordered],
        [commit for (_, commit), _ in ordered],
        [state for _, state in ordered],
        request.commit_id,
    )
    return {(row["record_id"], row["commit_id"]) for row in rows}
