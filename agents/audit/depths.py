"""The quicker two of an audit's three depths: the checkpoints alone, and the trees down to their leaves.

`checkpoints`: each checkpoint's signature, what others said of it, and that it extends the one before, by the stored
tiles. `tree`: besides, that the stored leaves give each checkpoint's root, and that certified workers signed each
commit. The third, `rows`, is agents.audit.verify: it reads the leaves and compares them with all that is stored.
"""

from collections.abc import Callable
from itertools import pairwise

from agents.audit.attestations import AttestationCheck
from agents.audit.context import AuditContext
from agents.audit.findings import Depth, LogReport, VerifyReport
from agents.audit.shards import LogTrees, ShardTree
from agents.audit.tree import TreeCheck
from agents.log_tree import SignedTree, TileRoots, load_edge
from agents.sequencer import CommitChecker
from schemas.errors import VerificationFailed
from schemas.leaf import decode_leaf
from security.checkpoint import Checkpoint, verify_checkpoint
from security.merkle import leaf_hash, verify_consistency, verify_inclusion
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
        log = LogReport(each.origin, each.tenant, each.tree, shard=each.shard, lost=each.lost, key=each.key)
        report.open_log(log)
        verifier = context.verifier_for(each)
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
        )
        trees.append(ShardTree(each, log, check, verifier))
    first = trees[0].log
    first.starts |= {each.origin: each.start for each in rows}
    for each, following in pairwise(rows):
        if following.shard != each.shard + 1 or following.start < each.start:
            report.add(f"log {following.origin}", f"its row does not follow shard {each.shard}")
    asked = await shards.next_shard(connection, row.log_id)
    return first, LogTrees(report, trees, is_asked=asked is not None)


async def verify_trees(
    connection: Connection, context: AuditContext, progress: Callable[[int], None] = lambda _: None
) -> VerifyReport:
    """Verify all logs down to the bytes of their leaves. Arguments as `verify_audit`."""
    report = VerifyReport(depth=Depth.TREE)
    checker = CommitChecker(context.authority)
    checker.learn(await sequencing.worker_keys(connection))
    for row in await sequencing.list_logs(connection):
        _, tree = await open_trees(connection, context, report, row, checker)
        checked = 0
        async for batch in auditing.placed_commits(connection, row.log_id):
            for placed in batch:
                tree.commit_bytes(placed)
                checked += placed.leaf_count
            progress(checked)
        tree.finish((await sequencing.read_position(connection, row.log_id)).size)
    return report


async def verify_checkpoints(
    connection: Connection, context: AuditContext, progress: Callable[[int], None] = lambda _: None
) -> VerifyReport:
    """Verify that all checkpoints of all logs were signed and extend each other. Arguments as `verify_audit`."""
    report = VerifyReport(depth=Depth.CHECKPOINTS)
    before: tuple[LogRow, LogReport] | None = None
    for row in await shards.list_shards(connection):
        log = LogReport(row.origin, row.tenant, row.tree, shard=row.shard, lost=row.lost, key=row.key)
        report.open_log(log)
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
        self._roots = TileRoots()
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
        if last is not None:
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
        tree = SignedTree(self._connection, self._row, self._last, b"", self._roots)
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
        if last is not None and last.size and last.size != signed.size:
            tree = SignedTree(self._connection, self._row, signed, note.encode(), self._roots)
            verify_consistency(last.size, signed.size, await tree.consistency(last.size), last.root, signed.root)

    async def _edge(self, last: Checkpoint) -> None:
        """The last checkpoint is that of the stored tiles."""
        self._log.size, self._log.root, self._log.covered = last.size, last.root, last.size
        try:
            if (await load_edge(self._connection, self._row, last.size)).root() != last.root:
                raise VerificationFailed("the stored tiles don't give the root that was signed")
        except VerificationFailed as exc:
            self._report.add(f"log {self._row.origin}, checkpoint {last.size}", str(exc))
