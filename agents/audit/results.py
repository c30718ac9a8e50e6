"""Compare results with their leaves: columns, place within a statement, sealed fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from agents.audit.commit import CommitInWork, LeafInWork, compare_columns
from agents.audit.erasures import ErasureCheck
from agents.audit.findings import LogReport, VerifyReport
from agents.audit.sealed import SealedFields
from agents.commits.recording import LABEL_FIELD
from agents.intake.interpretation import STATEMENT, TRANSACTION
from schemas.identity import item_record_id
from schemas.leaf import Leaf
from security.field_binding import EVIDENCE_FIELD
from security.opening import OpenedField


@dataclass(frozen=True, slots=True)
class CheckedResult:
    """A result whose row is there.

    Attributes:
        record: Its id, by the leaf.
        type: What its message's type makes of it.
        opened: Its fields; None when they are gone or don't open.
    """

    record: UUID
    type: str | None
    opened: Mapping[str, OpenedField] | None


class ResultCheck:
    """Checks the results of one log."""

    def __init__(self, log: LogReport, report: VerifyReport, sealed: SealedFields, erasures: ErasureCheck) -> None:
        self._log = log
        self._report = report
        self._sealed = sealed
        self._erasures = erasures

    def check(self, work: CommitInWork, at: LeafInWork) -> CheckedResult | None:
        """Check a result's row; None when there is none."""
        row = work.only(self._report, "results", at)
        if row is None or at.record is None:
            return None
        alone = work.replays is not None and at.record in work.replays.by_entry
        n = None if at.own_record or alone else self.item_number(work, at)
        kind = record_type(at.leaf)
        said = {
            "record_id": at.leaf.record,
            "message_id": at.leaf.message,
            "type": kind,
            "outcome": at.leaf.outcome,
            "note": at.leaf.note,
            "linked": at.leaf.linked,
            "tenant": self._log.tenant,
        }
        compare_columns(self._report, at, row, "result", said)
        if row["n"] != n and (at.own_record or n is not None):
            self._report.add(at.where, "column n of its result is not the record's place in its message")
        return CheckedResult(at.record, kind, self._fields(at, row, at.record))

    def item_number(self, work: CommitInWork, at: LeafInWork) -> int | None:
        """The place of a record in its statement, whose entries have their leaves right after its own, in order."""
        statement = work.statements.get(at.message) if at.message is not None else None
        if statement is None:
            if work.readable:
                self._report.add(at.where, "its statement has no leaf before it")
            return None
        n = at.ordinal - statement.ordinal - 1
        if statement.event is not None:
            event = statement.event.event
            if at.record is None or at.record.bytes != item_record_id(event.source, event.id, n):
                self._report.add(at.where, f"record is not the name of item {n} of its statement")
        return n

    def _fields(self, at: LeafInWork, row: asyncpg.Record, record: UUID) -> Mapping[str, OpenedField] | None:
        if row["sealed"] is None:
            self._erasures.gone(self._log, at.where, at.message or record, record)
            return None
        expected = {name: value for name, value in (at.leaf.fields or {}).items() if name != EVIDENCE_FIELD}
        if at.leaf.label is not None:
            expected[LABEL_FIELD] = at.leaf.label
        where = f"{at.where}, record {at.leaf.record}"
        return self._sealed.open(where, at.index, row, record, row["sealed"], expected, at.leaf)


def record_type(leaf: Leaf) -> str | None:
    """The type of a record: its message's, but what a statement holds are transactions."""
    return TRANSACTION if leaf.type == STATEMENT else leaf.type
