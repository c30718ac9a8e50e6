"""The quicker two of an audit's three depths: the checkpoints alone, and the trees down to their leaves.

`checkpoints`: each checkpoint's signature, what others said of it, and that it extends the one before, by the stored
tiles. `tree`: besides, that the stored leaves give each checkpoint's root, and that certified workers signed each
commit. The third, `rows`, is agents.audit.verify: it reads the leaves and compares them with all that is stored.
"""

from collections import deque
from collections.abc import Callable
from itertools import pairwise

from agents.audit.attestations import AttestationCheck
from agents.audit.context import AuditContext
from agents.audit.findings import Depth, LogReport, VerifyReport
from agents.audit.shards import LogTrees, ShardTree
from agents.audit.tree import TreeCheck, waiting_leaves
from agents.log.held_export import HeldExport
from agents.log.sequencer import CommitChecker
from agents.log.tile_cache import TileCache
from agents.log.tree import SignedTree, load_edge
from schemas.errors import VerificationFailed
from schemas.leaf import Leaf, decode_leaf
from security.checkpoint import Checkpoint, verify_checkpoint
from security.merkle import leaf_hash, verify_consistency, verify_inclusion
from security.note import Verifier
from security.proof import NoSuchProofError
from streams.storage import auditing, sequencing, shards, timestamping, witnessing
from streams.storage.database import Connection
from streams.storage.sequencing import LogRow


async def attestations_of(
    connection: Connection, context: AuditContext, report: VerifyReport, log: LogReport
) -> AttestationCheck:
    """What checks the cosignatures and timestamps of a log."""
    return AttestationCheck(
        log,
        report,
        await witnessing.stored_cosignatures(connection, log.log_id),
        context.witnesses,
        await timestamping.stored_timestamps(connection, log.log_id),
        context.timestamp_authorities,
    )


async def open_trees(
    connection: Connection, context: AuditContext, report: VerifyReport, row: LogRow, checker: CommitChecker
) -> tuple[LogReport, LogTrees]:
    """What checks the trees, tiles and checkpoints of all shards of a log, and the report of the first one."""
    trees = []
    rows = await shards.list_shards(connection, row.tenant)
    for each in rows:
        held = context.held.get(each.origin) if each.is_dropped else None
        log = open_report(report, each, is_outside=each.is_dropped and held is None)
        verifier = context.verifier_for(each)
        if held is not None:
            check_held(report, each, held, verifier)
        check = TreeCheck(
            log,
            report,
            checker,
            await auditing.stored_tiles(connection, each.tree),
            await auditing.stored_checkpoints(connection, each.tree),
            verifier,
            await attestations_of(connection, context, report, log),
            start=each.start,
            log_origin=each.log_origin,
            is_dropped=each.is_dropped,
        )
        trees.append(ShardTree(each, log, check, verifier, held))
    first = trees[0].log
    first.starts |= {each.origin: each.start for each in rows}
    for each, following in pairwise(rows):
        if following.shard != each.shard + 1 or following.start < each.start:
            report.add(f"log {following.origin}", f"its row does not follow shard {each.shard}")
    asked = await shards.next_shard(connection, row.log_id)
    waiting = await _waiting(connection, checker, row) if any(each.is_dropped for each in rows) else []
    return first, LogTrees(report, trees, is_asked=asked is not None, waiting=waiting)


def open_report(report: VerifyReport, row: LogRow, *, is_outside: bool) -> LogReport:
    """Go on with a shard."""
    log = LogReport(
        row.origin, row.tenant, row.tree, shard=row.shard, lost=row.lost, key=row.key, is_outside=is_outside
    )
    report.open_log(log)
    return log


def check_held(report: VerifyReport, row: LogRow, held: HeldExport, verifier: Verifier) -> None:
    """Check the export of a shard that is held outside as a whole."""
    size = (row.end or 0) - row.start - row.lost
    if held.checkpoint.size != size:
        report.add(f"log {row.origin}", f"its export {held.folder} ends at {held.checkpoint.size}, and not at {size}")
    try:
        deque(held.check(verifier), maxlen=0)
    except VerificationFailed as exc:
        report.add(f"log {row.origin}", f"its export: {exc}")


async def _waiting(connection: Connection, checker: CommitChecker, row: LogRow) -> list[Leaf]:
    """The leaves of acts that wait for their place, as far as a worker signed them."""
    leaves: list[Leaf] = []
    for unplaced in await auditing.unplaced_commits(connection, row.log_id):
        try:
            checker.check(row.origin, unplaced.commit)
        except VerificationFailed:
            continue  # named with the commits that wait
        leaves += waiting_leaves(unplaced)
    return leaves


async def verify_trees(
    connection: Connection, context: AuditContext, progress: Callable[[int], None] = lambda _: None
) -> VerifyReport:
    """Verify all logs down to the bytes of their leaves. Arguments as `verify_audit`."""
    report = VerifyReport(depth=Depth.TREE)
    checker = CommitChecker(context.authority)
    checker.learn(await sequencing.worker_keys(connection))
    for row in await sequencing.list_logs(connection):
        await verify_tree(connection, context, report, row, checker, progress)
    return report


async def verify_tree(
    connection: Connection,
    context: AuditContext,
    report: VerifyReport,
    row: LogRow,
    checker: CommitChecker,
    progress: Callable[[int], None],
) -> None:
    """Verify one log down to the bytes of its leaves."""
    _, tree = await open_trees(connection, context, report, row, checker)
    checked = 0
    async for batch in auditing.placed_commits(connection, row.log_id):
        for placed in batch:
            tree.commit_bytes(placed)
            checked += placed.leaf_count
        progress(checked)
    tree.finish((await sequencing.read_position(connection, row.log_id)).size)


async def verify_checkpoints(
    connection: Connection, context: AuditContext, progress: Callable[[int], None] = lambda _: None
) -> VerifyReport:
    """Verify that all checkpoints of all logs were signed and extend each other. Arguments as `verify_audit`."""
    report = VerifyReport(depth=Depth.CHECKPOINTS)
    before: tuple[LogRow, LogReport] | None = None
    for row in await shards.list_shards(connection):
        held = context.held.get(row.origin) if row.is_dropped else None
        log = open_report(report, row, is_outside=row.is_dropped and held is None)
        if held is not None:
            check_held(report, row, held, context.verifier_for(row))
        chain = _Chain(connection, context, report, log, row)
        await chain.run()
        if row.shard:
            await chain.follows(before)
        before = row, log
        progress(log.size)
    return report


class _Chain:
    """One log's checkpoints, from the first to the last."""

    def __init__(
        self, connection: Connection, context: AuditContext, report: VerifyReport, log: LogReport, row: LogRow
    ) -> None:
        self._connection = connection
        self._context = context
        self._report = report
        self._log = log
        self._row = row
        self._cache = TileCache()
        self._last: Checkpoint | None = None

    async def run(self) -> None:
        attestations = await attestations_of(self._connection, self._context, self._report, self._log)
        last: Checkpoint | None = None
        for size, root, note in await auditing.stored_checkpoints(self._connection, self._row.tree):
            where = f"log {self._row.origin}, checkpoint {size}"
            self._log.checkpoints += 1
            try:
                signed = verify_checkpoint(note.encode(), self._row.origin, [self._context.verifier_for(self._row)])
                if (signed.size, signed.root) != (size, root):
                    raise VerificationFailed("its row differs from its signed note")
                await self._extends(last, signed, note)
            except (VerificationFailed, NoSuchProofError) as exc:
                self._report.add(where, str(exc))
                continue
            attestations.checkpoint(signed.size, note.encode())
            last = signed
        if last is not None and not self._row.is_dropped:
            await self._edge(last)
        attestations.finish()
        if self._row.end is not None and not self._row.lost:
            size = self._row.end - self._row.start
            if last is None or last.size != size:
                what = f"it is closed, and has no final checkpoint over its {size} leaves"
                self._report.add(f"log {self._row.origin}", what)
        self._last = last

    async def follows(self, before: tuple[LogRow, LogReport] | None) -> None:
        """The shard's first leaf, proved, cites the final checkpoint of the one before."""
        where = f"log {self._row.origin}, index 0"
        if before is None or before[0].log_id != self._row.log_id or before[0].shard + 1 != self._row.shard:
            self._report.add(where, "the shard before is gone")
            return
        if self._last is None:
            return
        tree = SignedTree(self._connection, self._row, self._last, b"", self._cache)
        try:
            body = await tree.entry(0)
            (proof,) = await tree.inclusion([0])
            verify_inclusion(leaf_hash(body), 0, self._last.size, proof.path, self._last.root)
            said = decode_leaf(body).log
        except (VerificationFailed, NoSuchProofError) as exc:
            self._report.add(where, str(exc))
            return
        row, log = before
        lost = row.lost
        if said is None or said.origin != row.origin or said.lost != lost:
            self._report.add(where, "it does not say how the shard before ended")
        elif not lost and (said.size, said.root) != (log.size, log.root.hex()):
            self._report.add(where, f"it says that {row.origin} ended otherwise than it did")

    async def _extends(self, last: Checkpoint | None, signed: Checkpoint, note: str) -> None:
        if self._row.is_dropped:
            # Without tiles there is no proof at this depth; the next one recomputes the tree from hashes.
            self._log.size, self._log.root = signed.size, signed.root
            return
        if last is not None and last.size and last.size != signed.size:
            tree = SignedTree(self._connection, self._row, signed, note.encode(), self._cache)
            verify_consistency(last.size, signed.size, await tree.consistency(last.size), last.root, signed.root)

    async def _edge(self, last: Checkpoint) -> None:
        """The last checkpoint is that of the stored tiles."""
        self._log.size, self._log.root, self._log.covered = last.size, last.root, last.size
        try:
            if (await load_edge(self._connection, self._row, last.size)).root() != last.root:
                raise VerificationFailed("the stored tiles don't give the root that was signed")
        except VerificationFailed as exc:
            self._report.add(f"log {self._row.origin}, checkpoint {last.size}", str(exc))
