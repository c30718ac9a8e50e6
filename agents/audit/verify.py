"""Recompute everything: tree, tiles, checkpoints, workers' signatures; rows and sealed fields; then progress."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from agents.audit.access import AccessCheck, StoredAccess
from agents.audit.contents import ContentsCheck
from agents.audit.context import AuditContext
from agents.audit.deferrals import DeferralCheck
from agents.audit.depths import open_trees, verify_tree
from agents.audit.erasures import ErasureCheck
from agents.audit.findings import MAX_FINDINGS, Depth, LogReport, VerifyReport
from agents.audit.identities import IdentityCheck
from agents.audit.index_keys import IndexKeyCheck
from agents.audit.log_checks import LogChecks
from agents.audit.models import RegisteredModels
from agents.audit.recovery import Held, RecoveryCheck
from agents.audit.registered import RegisteredKeys
from agents.audit.replays import ReplayCheck
from agents.audit.reviews import ReviewCheck
from agents.audit.search import TermCheck
from agents.audit.shards import LogTrees
from agents.audit.tier_keys import TierKeyCheck
from agents.audit.tree import LeafAt, waiting_leaves
from agents.audit.watermarks import WatermarkCheck
from agents.log.sequencer import CommitChecker
from agents.platform.data_keys import DataKeyCache
from schemas.catalogue import MAX_SEARCHABLE_TIER
from schemas.errors import VerificationFailed
from security.checkpoint import verify_checkpoint
from streams.storage import auditing, erasing, sequencing
from streams.storage.auditing import CommitContents, PlacedCommit
from streams.storage.auditing_replays import FirstLeaf, LeafPlace, first_leaves, taken_in_twice
from streams.storage.certificates import damaged_certificates
from streams.storage.database import Connection
from streams.storage.index_keys import list_rotations
from streams.storage.keys import list_signing_keys, list_tier_keys
from streams.storage.models import list_models
from streams.storage.registry import list_source_policies
from streams.storage.sequencing import LogRow

_KEY_BYTES = 32
_LOOK_EVERY = 0.5


async def verify_audit(
    connection: Connection, context: AuditContext, progress: Callable[[int], None] = lambda _: None
) -> VerifyReport:
    """Verify all logs and what is common to them.

    Args:
        connection: Within `auditing.snapshot`, in which the context was read too: the platform may be at work.
        progress: Told how many leaves of a log have been checked.
    """
    verification = _Verification(connection, context, progress)
    await verification.run()
    return verification.report


async def await_checkpoints(connection: Connection, context: AuditContext, report: VerifyReport) -> None:
    """See that a checkpoint covers every log; a sequencer at work gets a moment to sign one.

    Args:
        connection: Not within a snapshot, which would not show what is signed now.
    """
    deadline = time.monotonic() + context.patience
    waiting = [log for log in report.logs if log.size > log.covered and not log.lost]
    while waiting := [log for log in waiting if not await _covered(connection, context, log)]:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        await asyncio.sleep(min(left, _LOOK_EVERY))
    for log in waiting:
        what = f"no checkpoint covers its {log.size} leaves, and no sequencer signs one now"
        report.add(f"log {log.origin}", what)


async def _covered(connection: Connection, context: AuditContext, log: LogReport) -> bool:
    newest = await sequencing.last_checkpoint(connection, log.log_id)
    if newest is None or newest[0] < log.size:
        return False
    verifier = context.verifier_for(LogRow(log.log_id, log.tenant, log.origin, log.shard, key=log.key))
    try:
        signed = verify_checkpoint(newest[2].encode(), log.origin, [verifier])
    except VerificationFailed:
        return False
    return signed.size > log.size or (signed.size, signed.root) == (log.size, log.root)


class _Verification:
    """One audit, with what its logs share."""

    def __init__(self, connection: Connection, context: AuditContext, progress: Callable[[int], None]) -> None:
        self.report = VerifyReport()
        self._connection = connection
        self._context = context
        self._progress = progress
        self._watermarks = WatermarkCheck(self.report)
        self._checker = CommitChecker(context.authority)
        self._tier_keys = TierKeyCheck(self.report, (), context.is_destroyed)
        self._erasures = ErasureCheck(self.report, ())
        self._identities = IdentityCheck(self.report, context.provider.index_key)
        self._index_keys = IndexKeyCheck(self.report, ())
        self._models = RegisteredModels(self.report, ())
        self._access = AccessCheck(self.report, StoredAccess(), context.provider)
        self._terms: TermCheck | None = None

    async def run(self) -> None:
        connection = self._connection
        self._checker.learn(await sequencing.worker_keys(connection))
        registered = RegisteredKeys(
            self.report, await list_signing_keys(connection), await list_source_policies(connection)
        )
        self._tier_keys = TierKeyCheck(self.report, await list_tier_keys(connection), self._context.is_destroyed)
        self._erasures = ErasureCheck(self.report, await erasing.read_ledger(connection))
        rotations = await list_rotations(connection)
        self._index_keys = IndexKeyCheck(self.report, rotations)
        self._models = RegisteredModels(self.report, await list_models(connection))
        context = self._context
        self._access = AccessCheck(self.report, await StoredAccess.read(connection), context.provider)
        if context.catalogue is not None and context.max_tier >= MAX_SEARCHABLE_TIER and not context.outside:
            self._terms = TermCheck(self.report, context.catalogue, context.provider, rotations, os.urandom(_KEY_BYTES))
        for row in await sequencing.list_logs(connection):
            if row.tenant in context.outside:
                await verify_tree(connection, context, self.report, row, self._checker, self._progress)
            else:
                await self._log(row, registered)
        self.report.close_logs()
        for table, log_id in await auditing.unknown_logs(connection):
            self.report.add(f"log number {log_id}", f"rows of {table} belong to it, and it is not there")
        for name, times in await taken_in_twice(connection, MAX_FINDINGS):
            self.report.add(f"dead letter {name}", f"{times} replays took it in")
        if context.outside:
            self.report.depth = Depth.TREE
        else:
            await self._common(registered)

    async def _common(self, registered: RegisteredKeys) -> None:
        """Compare the rows that are no single commit's, with what the leaves of all logs said of them."""
        connection = self._connection
        registered.finish(await damaged_certificates(connection))
        await asyncio.to_thread(self._tier_keys.finish)
        self._index_keys.finish()
        self._models.finish()
        await asyncio.to_thread(self._access.finish)
        self._erasures.finish(await erasing.find_content(connection, self._erasures.said()))
        self._watermarks.finish(await auditing.watermark_rows(connection))
        self._identities.finish(await auditing.unclaimed_identities(connection, 2 * MAX_FINDINGS))
        if self._terms is not None:
            self._terms.forbid(self._erasures.records)
            async for terms in auditing.stored_terms(connection):
                self._terms.find(terms)
            self._terms.finish()

    async def _log(self, row: LogRow, registered: RegisteredKeys) -> None:
        log, tree = await open_trees(self._connection, self._context, self.report, row, self._checker)
        log.is_compared = True
        if self._terms is not None:
            self._terms.open_log(log)
        checks = LogChecks(
            log,
            registered.open_log(log),
            self._models.open_log(log),
            DeferralCheck(log, self.report),
            ReviewCheck(log, self.report),
            self._tier_keys,
            self._index_keys,
            self._erasures,
            self._access,
        )
        await self._commits(log, tree, checks)
        position = await sequencing.read_position(self._connection, row.log_id)
        tree.finish(position.size)
        checks.deferrals.finish(await self._strays(log, checks))
        checks.reviews.finish()

    async def _commits(self, log: LogReport, tree: LogTrees, checks: LogChecks) -> None:
        """Check what has a place in the log, a batch at a time."""
        data_keys = DataKeyCache()
        replays = ReplayCheck(log, self.report)
        contents = ContentsCheck(
            log,
            self.report,
            self._context,
            data_keys,
            checks.keys,
            self._identities,
            replays,
            checks.deferrals,
            self._terms,
            self._erasures,
            self._tier_keys,
            self._watermarks,
            self._access.looks,
        )
        recovery = RecoveryCheck(log, self.report)
        checked = 0
        async for batch in auditing.placed_commits(self._connection, log.log_id):
            commit_ids = [placed.commit_id for placed in batch]
            rows = await auditing.commit_contents(self._connection, log.log_id, commit_ids)
            await data_keys.load(self._connection, _passes(rows))
            for placed in batch:
                leaves = tree.commit(placed)
                for each in leaves:
                    checks.see(each.leaf, placed.commit_id, each.ordinal, each.index)
                if placed.commit is not None:
                    self._watermarks.add(placed.commit_id, placed.commit.watermark)
                contents_of = rows[placed.commit_id]
                if not recovery.holds(placed, leaves, contents_of):
                    for held in recovery.see(leaves):
                        self._gone(log, contents, held)
                    self._check(log, contents, placed, leaves, contents_of)
                checked += placed.leaf_count
                self._progress(checked)
            self._identities.settle(await auditing.identities(self._connection, self._identities.names()))
            if self._terms is not None:
                await self._terms.settle(self._connection)
            if places := replays.places():
                firsts = await first_leaves(self._connection, places)
                replays.settle({at: _held_first(log, tree, at, first) for at, first in firsts.items()})
            if asked := recovery.asked():
                recovery.settle(tree.held_leaves(asked) | await auditing.leaves_at(self._connection, log.log_id, asked))
        for held in recovery.finish():
            self._gone(log, contents, held)
        if self._terms is not None:
            await self._terms.settle(self._connection)
        self._identities.settle(await auditing.identities(self._connection, self._identities.names()))

    def _check(
        self,
        log: LogReport,
        contents: ContentsCheck,
        placed: PlacedCommit,
        leaves: Sequence[LeafAt],
        rows: CommitContents,
    ) -> None:
        for each in leaves:
            if each.leaf.commit != placed.commit_id:
                where = f"{log.at(each.index)} (commit {placed.commit_id})"
                self.report.add(where, "the leaf names another commit")
        contents.check(placed, leaves, rows)

    def _gone(self, log: LogReport, contents: ContentsCheck, held: Held) -> None:
        """A commit whose rows are gone, and no recovery accounts for it."""
        if held.leaves is not None:
            self._check(log, contents, held.placed, held.leaves, held.rows)
        else:
            where = f"log {log.origin}, commit {held.placed.commit_id}"
            self.report.add(where, "its rows are gone, and no recovery accounts for it")

    async def _strays(self, log: LogReport, checks: LogChecks) -> set[int]:
        """Commits that wait for a place are fine if their worker signed them; rows without a commit are not.

        Returns:
            The commits that wait.
        """
        waiting: set[int] = set()
        for unplaced in await auditing.unplaced_commits(self._connection, log.log_id):
            commit = unplaced.commit
            try:
                self._checker.check(log.origin, commit)
            except VerificationFailed as exc:
                self.report.add(f"log {log.origin}, commit {commit.commit_id}", f"has no place in the log, and {exc}")
            else:
                log.waiting += 1
                waiting.add(commit.commit_id)
                for ordinal, leaf in enumerate(waiting_leaves(unplaced)):
                    checks.see(leaf, commit.commit_id, ordinal)
                self._watermarks.add(commit.commit_id, commit.watermark, placed=False)
        for table, name, commit_id in await auditing.stray_rows(self._connection, log.log_id):
            what = f"its row in {table} names commit {commit_id}, which is not there"
            self.report.add(f"log {log.origin}, record {name}", what)
        return waiting


def _held_first(log: LogReport, trees: LogTrees, at: LeafPlace, first: FirstLeaf) -> FirstLeaf:
    """The leaf of a dead letter and that of its message, from the export of their shard where they are held outside."""
    place = log.place(f"{at.origin}#{at.position}")
    if not first.body and place is not None:
        first = replace(first, body=trees.held_leaf(place) or b"")
    if not first.message_body and place is not None and first.message_place is not None:
        first = replace(first, message_body=trees.held_leaf(first.message_place) or b"")
    return first


def _passes(rows: dict[int, CommitContents]) -> set[int]:
    """The sealing passes of these commits' rows; dead letters are not sealed, their messages are."""
    return {
        row["pass_id"]
        for contents in rows.values()
        for table, by_leaf in contents.tables.items()
        if table not in ("dead_letters", "deferred", "replays")
        for found in by_leaf.values()
        for row in found
    }
