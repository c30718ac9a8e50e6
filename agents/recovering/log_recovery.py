"""Brings a log's published leaves back into a database that lost them, so that the log goes on and never forks.

What comes from the audit topic is believed only where it leads: to the last leaf that the relay's position names, and
to the root of every signed checkpoint that covers it. Nothing is written before that is known. Then the leaves are
committed again, under the commits' old numbers where those are free, signed by a certified worker of this recovery's
own, at the places they had; a `recover` leaf right behind them names the range.
"""

import datetime as dt
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final
from uuid import UUID

import structlog

from agents.commits.leaves import LeafBatch, LogRef
from agents.commits.recording import rfc3339
from agents.commits.routing import ends_deferred
from agents.log.log_sequencer import LogSequencer
from agents.log.tree import load_edge
from agents.upkeep.erasing import erased_by
from schemas.errors import StorageError, VerificationFailed
from schemas.leaf import LEAF_VERSION, Leaf, decode_leaf
from security.checkpoint import Checkpoint
from security.commit_signature import WorkerKey
from security.merkle import HASH_BYTES, leaf_hash, packed_leaf_hashes
from security.tiles import TILE_WIDTH, RightEdge
from streams.audit_topic import PublishedLeaf
from streams.storage import recovering
from streams.storage.commit_rows import CommitRows, Row
from streams.storage.database import Connection
from streams.storage.ids import IdBlock
from streams.storage.relaying import RelayPosition
from streams.storage.sequencing import LogAdvance, LogPosition, LogRow, advance
from streams.storage.shards import shard_at

log = structlog.get_logger(__name__)

RECOVERED: Final = "recovered"
LEAVES_PER_STEP: Final = 2_000
DECISIONS: Final = frozenset({"accepted", "closing", "result", "rejected"})
REPEATS: Final = frozenset({"duplicate"})
"""Kinds of leaves whose records stand in an inbound topic and may be processed again."""

ReadLeaves = Callable[[int, int], AsyncIterator[list[PublishedLeaf]]]
"""Reads published leaves from one index to another."""


class AnotherHistory(StorageError):
    """The audit topic does not go on where the database ends, or does not lead to what was signed."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A verified checkpoint that the recovered log must extend, with its note."""

    checkpoint: Checkpoint
    note: str


@dataclass(slots=True)
class LogRecovery:
    """Brings back the leaves of one log.

    Args:
        sequencer: The log, taken over.
        published: How far the log is published.
        read: Reads the published leaves.
        worker: A certified key of this recovery.
        commit_ids: Numbers for commits whose old ones are taken.
        signed: Checkpoints that the log must extend.
        now: When the recovery is made.
        is_last: Whether no later shard was published: the `recover` leaf goes behind the last one's leaves.
        highest: The highest commit id among the published leaves, once they are checked.
    """

    sequencer: LogSequencer
    published: RelayPosition
    read: ReadLeaves
    worker: WorkerKey
    commit_ids: IdBlock
    signed: Sequence[Signed]
    now: dt.datetime
    highest: int = 0
    is_last: bool = True

    @property
    def _ref(self) -> LogRef:
        row = self.sequencer.row
        return LogRef(row.log_id, row.tenant, row.log_origin)

    async def check(self, connection: Connection) -> bytes:
        """Compare what the topic holds with what was signed and published; returns the root that it leads to.

        Raises:
            LeavesGone: The topic does not hold all of them.
            AnotherHistory: They lead elsewhere.
        """
        edge, size, end = self.sequencer.edge, self.sequencer.edge.size, self.published.position
        origin = self.sequencer.shard.origin
        for each in self.signed:
            if each.checkpoint.size > end:
                raise AnotherHistory(
                    f"log {origin}: a checkpoint over {each.checkpoint.size} leaves was signed, and only {end} were "
                    "published: the others are lost, and this log can't go on without a fork"
                )
        for each in self.signed:
            if each.checkpoint.size <= size:
                stored = await load_edge(connection, self.sequencer.shard, each.checkpoint.size)
                if stored.root() != each.checkpoint.root:
                    what = f"the database's leaves don't give the root signed at {each.checkpoint.size}"
                    raise AnotherHistory(f"log {origin}: {what}")
        wanted = {each.checkpoint.size: each.checkpoint.root for each in self.signed if each.checkpoint.size > size}
        last = b""
        async for leaves in self.read(size, end):
            for part in _split([each.body for each in leaves], edge.size, sorted(wanted)):
                _, edge = edge.advance(packed_leaf_hashes(part))
                self.highest = max(self.highest, *map(_commit_of, part))
                last = leaf_hash(part[-1])
                if wanted.get(edge.size, edge.root()) != edge.root():
                    raise AnotherHistory(
                        f"log {origin}: the published leaves don't give the root signed at {edge.size}"
                    )
        if last != self.published.last_hash:
            raise AnotherHistory(
                f"log {origin}: the last published leaf is not the one that the relay's position names"
            )
        return edge.root()

    async def write(self, connection: Connection, root: bytes) -> int:
        """Write the leaves and the `recover` leaf behind them; returns how many leaves were brought back in all.

        Args:
            root: What `check` returned.
        """
        end, start = self.published.position, self.sequencer.shard.start
        size = self.sequencer.position.size
        first = await recovering.begin_recovery(connection, self.sequencer.row.log_id, size, start + end)
        began = await shard_at(connection, self.sequencer.row.log_id, first)
        # The sequence of commit ids stands where it stood when the database was copied.
        await recovering.pass_commit_ids(connection, self.highest)
        waiting: list[PublishedLeaf] = []
        async for leaves in self.read(size - start, end):
            waiting += leaves
            complete = _complete(waiting, end)
            if complete and (len(waiting) >= LEAVES_PER_STEP or complete == len(waiting)):
                await self._step(connection, waiting[:complete], (first, began), root)
                del waiting[:complete]
        for each in self.signed:
            await self._keep(connection, each)
        return start + end - max(first, start)

    async def _keep(self, connection: Connection, signed: Signed) -> None:
        """A checkpoint that the database lost: the log must go on extending it."""
        sequencer, size = self.sequencer, self.sequencer.position.size
        kept = (signed.checkpoint.size, signed.checkpoint.root, signed.note)
        step = LogAdvance(sequencer.row.log_id, sequencer.epoch, size, size, None, [], [], kept, sequencer.shard.tree)
        await advance(connection, step)

    async def _step(
        self, connection: Connection, leaves: Sequence[PublishedLeaf], first: tuple[int, LogRow], root: bytes
    ) -> None:
        """Whole commits, as many as are at hand; with the last of them the `recover` leaf."""
        sequencer = self.sequencer
        base = sequencer.shard.start
        start, end = sequencer.position.size, base + self.published.position
        groups = [
            (commit_id, list(group)) for commit_id, group in groupby(leaves, key=lambda each: _commit_of(each.body))
        ]
        stored = await recovering.stored_commits(connection, sequencer.row.log_id, [each for each, _ in groups])
        await self.commit_ids.refill(len(groups) + 1)
        rows, placements = CommitRows(), []
        names: list[tuple[int, UUID, bool, bool]] = []
        for commit_id, group in groups:
            bodies = [each.body for each in group]
            found = stored.get(commit_id)
            if found is not None and not found.placed and found.hashes == packed_leaf_hashes(bodies):
                # It was committed before the database was copied, and had no place yet: its rows are there.
                placements.append((base + group[0].index, commit_id, len(group)))
                continue
            number = commit_id if found is None else self.commit_ids.take()
            self._add(rows, number, bodies)
            rows.erasures += self._erasures(number, bodies)
            placements.append((base + group[0].index, number, len(group)))
            names += [name for each in group if (name := _waiting(each, base)) is not None]
        size, edge, tiles = _grown(sequencer.edge, [each.body for each in leaves])
        if base + size == end and edge.root() != root:
            raise AnotherHistory(f"log {sequencer.shard.origin}: the audit topic changed while it was read")
        if base + size == end and self.is_last:
            number = self.commit_ids.take()
            body = self._add(rows, number, [], self._recover_leaf(number, *first, end))
            placements.append((end, number, 1))
            size, edge, more = _grown(edge, [body])
            tiles += more
        size += base
        step = LogAdvance(
            sequencer.row.log_id,
            sequencer.epoch,
            start,
            size,
            None,
            placements,
            tiles,
            None,
            sequencer.shard.tree,
        )
        await recovering.write_step(connection, recovering.RecoveryStep(rows, step, names, _shredded(leaves)))
        sequencer.position, sequencer.edge = LogPosition(size, None), edge
        log.info("recovery.step", log=sequencer.shard.origin, size=size - base, of=end - base)

    def _erasures(self, number: int, bodies: Sequence[bytes]) -> list[Row]:
        """Lines of the erasure ledger, from the leaves that say what was erased."""
        leaves = [(ordinal, decode_leaf(body)) for ordinal, body in enumerate(bodies)]
        found = [(ordinal, erased_by(leaf)) for ordinal, leaf in leaves if leaf.kind == "erase"]
        return [(self.sequencer.row.log_id, number, ordinal, *what) for ordinal, what in found if what is not None]

    def _add(self, rows: CommitRows, number: int, bodies: Sequence[bytes], leaf: Leaf | None = None) -> bytes:
        batch = LeafBatch(number, self.worker)
        for body in bodies:
            batch.add_encoded(self._ref, body)
        if leaf is not None:
            batch.add(self._ref, leaf)
        rows.commits += batch.commit_rows()
        rows.bundles += batch.bundle_rows()
        return bytes(rows.bundles[-1][-1])

    def _recover_leaf(self, number: int, first: int, began: LogRow, end: int) -> Leaf:
        time = rfc3339(self.now)
        return Leaf(
            v=LEAF_VERSION,
            commit=number,
            kind="recover",
            time=time,
            outcome=RECOVERED,
            count=end - first,
            first=f"{began.origin}#{first - began.start}",
        )


def _grown(edge: RightEdge, bodies: Sequence[bytes]) -> tuple[int, RightEdge, list[tuple[int, int, bytes]]]:
    """The tree with these leaves appended: its size, its edge, and the tiles that became full."""
    tiles, grown = edge.advance(packed_leaf_hashes(bodies))
    full = [(each.level, each.index, each.hashes) for each in tiles if len(each.hashes) == TILE_WIDTH * HASH_BYTES]
    return grown.size, grown, full


def _split(bodies: Sequence[bytes], start: int, sizes: Sequence[int]) -> list[Sequence[bytes]]:
    """Cut leaves that begin at an index where one of these sizes is reached."""
    cuts = [size - start for size in sizes if 0 < size - start < len(bodies)]
    return [bodies[a:b] for a, b in zip([0, *cuts], [*cuts, len(bodies)], strict=True) if a < b]


def _complete(leaves: Sequence[PublishedLeaf], end: int) -> int:
    """How many of these leaves belong to commits that are at hand to their end."""
    if not leaves:
        return 0
    if leaves[-1].index == end - 1:
        return len(leaves)
    last = _commit_of(leaves[-1].body)
    count = len(leaves)
    while count and _commit_of(leaves[count - 1].body) == last:
        count -= 1
    return count


def _shredded(leaves: Sequence[PublishedLeaf]) -> list[str]:
    """Tier keys that these leaves say were shredded."""
    changes = [decode_leaf(each.body).tier_key for each in leaves]
    return [change.id for change in changes if change is not None and change.change == "shred"]


def _commit_of(body: bytes) -> int:
    return decode_leaf(body).commit


def _waiting(each: PublishedLeaf, base: int) -> tuple[int, UUID, bool, bool] | None:
    """A leaf whose record may be processed again, with the name by which it is known then."""
    leaf = decode_leaf(each.body)
    name = leaf.record or leaf.message
    if leaf.kind not in DECISIONS | REPEATS or name is None:
        return None
    try:
        return base + each.index, UUID(name), leaf.kind in REPEATS, ends_deferred(leaf)
    except ValueError as exc:
        raise VerificationFailed(f"published leaf {each.index} names a record by what is no id") from exc
