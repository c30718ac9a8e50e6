"""Compare deferred records with their rows, and see that each ends once: by a later leaf that its row names.

A record that was accepted for later has a leaf of its own, with its message; the leaf that ends it brings a result or a
dead letter and no message. It is known by that: a message's own leaf commits to the message's bytes.
"""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from agents.audit.commit import CommitInWork, LeafInWork, compare_columns
from agents.audit.findings import LogReport, VerifyReport
from agents.commits.routing import DEFERRED, read_plan
from streams.storage.deferring import DONE, FAILED

_PLACE = ("topic", "part", "kafka_offset")
_WAITS = "accepted"


@dataclass(frozen=True, slots=True)
class _Waiting:
    where: str
    row: asyncpg.Record
    message: asyncpg.Record | None


def accepts_for_later(at: LeafInWork) -> bool:
    """Whether a leaf accepts a record that is deferred."""
    return at.leaf.kind == "accepted" and at.leaf.outcome == DEFERRED and at.own_record


class DeferralCheck:
    """Follows the deferred records of one log."""

    def __init__(self, log: LogReport, report: VerifyReport) -> None:
        self._log = log
        self._report = report
        self._waiting: dict[UUID, _Waiting] = {}
        self._orphans: set[UUID] = set()

    def accepted(self, work: CommitInWork, at: LeafInWork) -> None:
        """A record was accepted for later."""
        row = work.only(self._report, "deferred", at)
        plan = read_plan(at.leaf.decision)
        if plan is None:
            self._report.add(at.where, "its decision is no plan")
        if row is None or at.message is None:
            if at.message is not None:
                self._orphans.add(at.message)
            return
        if plan is not None:
            said: dict[str, str | None] = {"lane": plan.lane, "models": " ".join(plan.models)}
            compare_columns(self._report, at, row, "deferral", said)
            deadline = row["deadline"].isoformat(timespec="milliseconds").replace("+00:00", "Z")
            if deadline != plan.deadline:
                self._report.add(at.where, "column deadline of its deferral is not what the leaf says")
        compare_columns(self._report, at, row, "deferral", {"record_id": at.leaf.record, "tenant": self._log.tenant})
        if at.message in self._waiting:
            self._report.add(at.where, "the record was waiting already")
        self._waiting[at.message] = _Waiting(at.where, row, work.messages.get(at.message))
        self._report.deferred += 1

    def ended(self, work: CommitInWork, at: LeafInWork) -> None:
        """A record that waited has a result, or was given up."""
        if at.message is None:
            return
        waiting = self._waiting.pop(at.message, None)
        if waiting is None:
            if at.message not in self._orphans:
                self._report.add(at.where, "no leaf before it accepted the record for later, or it had ended")
            return
        state = FAILED if at.leaf.kind == "rejected" else DONE
        if (waiting.row["state"], waiting.row["ended_commit"]) != (state, work.commit_id):
            self._report.add(at.where, "its row in deferred does not say that this commit ended it so")
        for row in work.rows.tables["dead_letters"].get(at.ordinal, ()):
            if waiting.message is not None and any(row[name] != waiting.message[name] for name in _PLACE):
                self._report.add(at.where, "topic, part and kafka_offset of its dead letter are not its message's")

    def finish(self, unplaced: Collection[int]) -> None:
        """Name what is said to have ended and has no leaf.

        Args:
            unplaced: Commits that wait for their place: their leaves were not read.
        """
        for waiting in self._waiting.values():
            row = waiting.row
            if row["state"] == _WAITS:
                self._log.deferred_waiting += 1
            elif row["ended_commit"] not in unplaced:
                self._report.add(waiting.where, "its row in deferred says that it has ended, and no leaf does")
