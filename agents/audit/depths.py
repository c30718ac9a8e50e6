"""The quicker two of an audit's three depths: the checkpoints alone, and the trees down to their leaves.

`checkpoints`: each checkpoint's signature, what others said of it, and that it extends the one before, by the stored
tiles. `tree`: besides, that the stored leaves give each checkpoint's root, and that certified workers signed each
commit. The third, `rows`, is agents.audit.verify: it reads the leaves and compares them with all that is stored.
"""

from collections.abc import Callable

from agents.audit.attestations import AttestationCheck
from agents.audit.context import AuditContext
from agents.audit.findings import Depth, LogReport, VerifyReport
from agents.audit.tree import TreeCheck
from agents.log_tree import SignedTree, TileRoots, load_edge
from agents.sequencer import CommitChecker
from schemas.errors import VerificationFailed
from security.checkpoint import Checkpoint, verify_checkpoint
from security.merkle import verify_consistency
from security.proof import NoSuchProofError
from streams.storage import auditing, sequencing, timestamping, witnessing
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


async def tree_check(
    connection: Connection, context: AuditContext, report: VerifyReport, log: LogReport, checker: CommitChecker
) -> TreeCheck:
    """What checks a log's tree, tiles and checkpoints."""
    return TreeCheck(
        log,
        report,
        checker,
        await auditing.stored_tiles(connection, log.log_id),
        await auditing.stored_checkpoints(connection, log.log_id),
        context.verifier_for(LogRow(log.log_id, log.tenant, log.origin)),
        await attestations_of(connection, context, report, log),
    )


async def verify_trees(
    connection: Connection, context: AuditContext, progress: Callable[[int], None] = lambda _: None
) -> VerifyReport:
    """Verify all logs down to the bytes of their leaves. Arguments as `verify_audit`."""
    report = VerifyReport(depth=Depth.TREE)
    checker = CommitChecker(context.authority)
    checker.learn(await sequencing.worker_keys(connection))
    for row in await sequencing.list_logs(connection):
        log = LogReport(row.origin, row.tenant, row.log_id)
        report.open_log(log)
        tree = await tree_check(connection, context, report, log, checker)
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
    for row in await sequencing.list_logs(connection):
        log = LogReport(row.origin, row.tenant, row.log_id)
        report.open_log(log)
        await _Chain(connection, context, report, log, row).run()
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

    async def run(self) -> None:
        attestations = await attestations_of(self._connection, self._context, self._report, self._log)
        last: Checkpoint | None = None
        for size, root, note in await auditing.stored_checkpoints(self._connection, self._row.log_id):
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
