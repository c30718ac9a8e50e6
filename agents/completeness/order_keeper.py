"""Follows each source's sequence behind the commits, and notes in its log what is missing, came late, or came twice.

Leaves of kind `order`: their `note` is `sequence_gap` (outcome `missing`, later `arrived`) or `sequence_conflict`
(outcome `repeated`, `message` names the later one), `sequence` the numbers. They are notes: no record is refused.
State and leaves are one transaction, so that whatever is killed when, a gap is noted once.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from agents.commits.leaves import LeafBatch, LogRef
from agents.commits.recording import rfc3339
from agents.completeness.source_order import Arrival, Gap, SourceOrder, runs
from schemas.leaf import LEAF_VERSION, NewLeaf
from schemas.reasons import Note
from security.commit_signature import WorkerKey
from streams.storage import keys, ordering
from streams.storage.commit_rows import CommitRows, write_rows
from streams.storage.database import Connection, Database
from streams.storage.ids import IdBlock
from streams.storage.sequencing import list_logs

KIND: Final = "order"
ROWS_PER_STEP: Final = 8
"""Of arrivals; a commit holds thousands of messages at the most, and each may be worth a leaf."""

GAPS_PER_STEP: Final = 1_000


class OrderKeeper:
    """Keeps the order of every source of the platform.

    Args:
        worker: Signs the commits of the notes.
        commit_ids: Numbers for them.
        window: How long a number may be missing before that is noted.
    """

    def __init__(
        self,
        database: Database,
        worker: WorkerKey,
        commit_ids: IdBlock,
        window: dt.timedelta,
        *,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._database = database
        self._worker = worker
        self._commit_ids = commit_ids
        self._window = window
        self._clock = clock
        self._registered = False
        self._logs: dict[int, LogRef] = {}

    async def step(self) -> bool:
        """Take in some of what has arrived, and note what is due; returns whether there may be more."""
        await self._commit_ids.refill(1)
        async with self._database.session() as connection:
            if not self._registered:
                key = self._worker
                await keys.register_worker(connection, key.worker_id, key.public_key, key.certificate)
                self._registered = True
            async with connection.transaction():
                if not await ordering.try_lock(connection):
                    return False
                return await self._step(connection)

    async def _step(self, connection: Connection) -> bool:
        now = self._clock()
        arrived: dict[tuple[int, str], list[Arrival]] = {}
        taken = await ordering.take_arrivals(connection, ROWS_PER_STEP)
        for row in taken:
            found = arrived.setdefault((row.log_id, row.source), [])
            found += [Arrival(number, message) for number, message in row.arrivals]
        remarks: list[_Remark] = []
        for (log_id, source), arrivals in arrived.items():
            remarks += await self._take(connection, log_id, source, arrivals, now)
        due = await ordering.take_due_gaps(connection, now - self._window, GAPS_PER_STEP)
        remarks += [_Remark(gap.log_id, gap.source, Note.SEQUENCE_GAP, "missing", gap.first, gap.last) for gap in due]
        if remarks:
            await self._write(connection, remarks, now)
        return len(taken) == ROWS_PER_STEP or len(due) == GAPS_PER_STEP

    async def _take(
        self, connection: Connection, log_id: int, source: str, arrivals: Sequence[Arrival], now: dt.datetime
    ) -> list["_Remark"]:
        numbers = [arrival.number for arrival in arrivals]
        before = await ordering.read_order(connection, log_id, source, min(numbers), max(numbers))
        order = SourceOrder(before.first, before.last, [Gap(*row) for row in before.gaps])
        late, repeated = order.take(arrivals, now)
        if order.first is None:
            raise RuntimeError("numbers arrived and none was taken in")
        gaps = [(gap.first, gap.last, gap.since, gap.noted) for gap in order.gaps]
        await ordering.write_order(connection, log_id, source, before, order.first, order.last, gaps)
        closed = [_Remark(log_id, source, Note.SEQUENCE_GAP, "arrived", *run) for run in runs(late)]
        return closed + [
            _Remark(log_id, source, Note.SEQUENCE_CONFLICT, "repeated", each.number, each.number, each.message)
            for each in repeated
        ]

    async def _write(self, connection: Connection, remarks: Sequence["_Remark"], now: dt.datetime) -> None:
        if any(remark.log_id not in self._logs for remark in remarks):
            self._logs = {row.log_id: LogRef(row.log_id, row.tenant, row.origin) for row in await list_logs(connection)}
        batch, rows = LeafBatch(self._commit_ids.take(), self._worker), CommitRows()
        for remark in remarks:
            batch.add(self._logs[remark.log_id], remark.leaf(batch.commit_id, now))
        rows.commits, rows.bundles = batch.commit_rows(), batch.bundle_rows()
        await write_rows(connection, rows)


@dataclass(frozen=True, slots=True)
class _Remark:
    """What is to be said about some numbers of a source."""

    log_id: int
    source: str
    note: Note
    outcome: str
    first: int
    last: int
    message: UUID | None = None

    def leaf(self, commit_id: int, now: dt.datetime) -> NewLeaf:
        return NewLeaf(
            v=LEAF_VERSION,
            commit=commit_id,
            kind=KIND,
            time=rfc3339(now),
            note=self.note,
            outcome=self.outcome,
            count=self.last - self.first + 1,
            sequence=f"{self.first}-{self.last}" if self.first < self.last else str(self.first),
            source=self.source,
            message=str(self.message) if self.message is not None else None,
        )
