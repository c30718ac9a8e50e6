"""Recompute everything: tree, tiles, checkpoints, workers' signatures; rows and sealed fields; then progress."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from agents.audit.contents import ContentsCheck, Observer
from agents.audit.findings import LogReport, VerifyReport
from agents.audit.tree import TreeCheck
from agents.audit.watermarks import WatermarkCheck
from agents.data_keys import DataKeyCache
from agents.sequencer import CommitChecker
from schemas.errors import VerificationFailed
from security.key_registry import KeyRegistry
from security.note import Verifier
from security.sealing import FieldOpener
from security.tier_keys import TierKeys
from streams.storage import auditing, sequencing
from streams.storage.database import Connection
from streams.storage.sequencing import LogRow

CHECKPOINT_PATIENCE: Final = 5
"""Seconds that a sequencer gets to sign what was just placed; by default it does so every second."""


@dataclass(frozen=True, slots=True)
class AuditContext:
    """What the auditor trusts and may open; none of it comes from the database.

    Attributes:
        authority: Public key that certifies workers.
        verifier_for: Gives a log's verification key.
        tier_keys: The tier keys the auditor may use; fields above are counted as sealed.
        max_tier: Highest tier to open.
        patience: Seconds that a sequencer gets to sign what was just placed.
    """

    authority: bytes
    verifier_for: Callable[[LogRow], Verifier]
    registry: KeyRegistry
    tier_keys: TierKeys
    max_tier: int
    observe: Observer = lambda leaf, fields: None
    patience: float = CHECKPOINT_PATIENCE


async def verify_audit(
    connection: Connection, context: AuditContext, progress: Callable[[int], None] = lambda _: None
) -> VerifyReport:
    """Verify all logs and the watermarks.

    Args:
        progress: Told how many leaves have been checked.
    """
    report = VerifyReport()
    watermarks = WatermarkCheck(report)
    checker = CommitChecker(context.authority)
    checker.learn(await sequencing.worker_keys(connection))
    for row in await sequencing.list_logs(connection):
        await _verify_log(connection, context, row, report, checker, watermarks, progress)
    watermarks.finish(await auditing.watermark_rows(connection))
    for table, log_id in await auditing.unknown_logs(connection):
        report.add(f"log number {log_id}", f"rows of {table} belong to it, and it is not there")
    return report


async def _verify_log(
    connection: Connection,
    context: AuditContext,
    row: LogRow,
    report: VerifyReport,
    checker: CommitChecker,
    watermarks: WatermarkCheck,
    progress: Callable[[int], None],
) -> None:
    log = LogReport(row.origin, row.tenant)
    report.logs.append(log)
    tree = TreeCheck(
        log,
        report,
        checker,
        await auditing.stored_tiles(connection, row.log_id),
        await auditing.stored_checkpoints(connection, row.log_id),
        context.verifier_for(row),
    )
    keys = DataKeyCache()
    opener = FieldOpener(context.tier_keys, keys.get, context.max_tier)
    contents = ContentsCheck(log, report, opener, context.registry, context.observe)
    checked = 0
    async for batch in auditing.placed_commits(connection, row.log_id):
        rows = await auditing.commit_contents(connection, row.log_id, [placed.commit_id for placed in batch])
        await keys.load(
            connection,
            (each["pass_id"] for table in (rows.results, rows.messages) for found in table.values() for each in found),
        )
        for placed in batch:
            leaves = tree.commit(placed)
            if placed.commit is not None:
                watermarks.add(placed.commit_id, placed.commit.watermark)
            contents.check(placed.commit_id, leaves, rows)
            checked += placed.leaf_count
            progress(checked)
    position = await sequencing.read_position(connection, row.log_id)
    tree.finish(position.size)
    if log.size and not await _covered(connection, row.log_id, log.size, context.patience):
        report.add(f"log {row.origin}", f"no checkpoint covers its {log.size} leaves, and no sequencer signs one now")
    await _strays(connection, row, log, report, checker, watermarks)


async def _covered(connection: Connection, log_id: int, size: int, patience: float) -> bool:
    """Whether a checkpoint covers that size; a sequencer at work gets a moment to sign one."""
    deadline = time.monotonic() + patience
    while True:
        newest = await sequencing.last_checkpoint(connection, log_id)
        if newest is not None and newest[0] >= size:
            return True
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        await asyncio.sleep(min(left, 0.5))


async def _strays(
    connection: Connection,
    row: LogRow,
    log: LogReport,
    report: VerifyReport,
    checker: CommitChecker,
    watermarks: WatermarkCheck,
) -> None:
    """Commits that wait for a place are fine if their worker signed them; rows without a commit are not."""
    for commit in await auditing.unplaced_commits(connection, row.log_id):
        try:
            checker.check(row.origin, commit)
        except VerificationFailed as exc:
            report.add(f"log {row.origin}, commit {commit.commit_id}", f"has no place in the log, and {exc}")
        else:
            log.waiting += 1
            watermarks.add(commit.commit_id, commit.watermark)
    for table, name, commit_id in await auditing.stray_rows(connection, row.log_id):
        what = f"its row in {table} names commit {commit_id}, which is not there"
        report.add(f"log {row.origin}, record {name}", what)
