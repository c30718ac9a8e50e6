"""Compare reviews with their rows, and see that each follows the one before it, about a record left to a person."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from agents.audit.commit import CommitInWork, LeafInWork, compare_columns
from agents.audit.erasures import ErasureCheck
from agents.audit.findings import LogReport, VerifyReport
from agents.audit.sealed import SealedFields
from agents.commits.recording import LABEL_FIELD
from agents.platform.knowledge import REASON_FIELD
from agents.reviews.review_leaf import REVIEW_KIND, REVIEW_OUTCOME, review_name, reviewed_by
from schemas.leaf import Leaf

_RESULT: Final = "result"


@dataclass(frozen=True, slots=True)
class _Said:
    """What a review leaf says of itself.

    Attributes:
        index: Its place in the log; None while it waits for one.
    """

    where: str
    index: int | None
    number: int
    name: UUID
    linked: UUID


class ReviewCheck:
    """Collects what one log says about reviews, then compares: commits need not stand in the order of the decisions."""

    def __init__(self, log: LogReport, report: VerifyReport) -> None:
        self._log = log
        self._report = report
        self._open: set[UUID] = set()
        self._said: dict[UUID, list[_Said]] = {}

    def see(self, where: str, leaf: Leaf, ordinal: int, index: int | None = None) -> None:
        """Go on with a leaf, if it is a review or a result that waits for one.

        Args:
            ordinal: Its position in its commit.
        """
        if leaf.kind == _RESULT and leaf.outcome == REVIEW_OUTCOME and leaf.record is not None:
            # What is no id is a finding where its row is compared.
            with suppress(ValueError):
                self._open.add(UUID(leaf.record))
        if leaf.kind != REVIEW_KIND:
            return
        said = reviewed_by(leaf)
        if said is None:
            self._report.add(where, "a review does not say what was decided by whom, on what basis and why")
            return
        record, number, linked = said
        name = review_name(self._log.origin, leaf.commit, ordinal)
        self._said.setdefault(record, []).append(_Said(where, index, number, name, linked))

    def finish(self) -> None:
        """Compare."""
        for record, decisions in self._said.items():
            self._record(record, decisions)
            self._report.reviews += len(decisions)

    def _record(self, record: UUID, decisions: Sequence[_Said]) -> None:
        # After a recovery from the audit topic the rows are gone, and people decide anew from where the database was.
        lost = {each.number: each for each in decisions if self._is_recovered(each)}
        kept: dict[int, _Said] = {}
        for each in decisions:
            if self._is_recovered(each):
                continue
            if each.number in kept:
                self._report.add(each.where, f"decision {each.number} about its record stands in the log already")
                continue
            kept[each.number] = each
        for number, each in kept.items():
            before = kept.get(number - 1) or lost.get(number - 1)
            if number > 1 and before is None:
                self._report.add(each.where, f"decision {number - 1} about its record is not in the log")
            elif each.linked != (before.name if before is not None else record):
                self._report.add(each.where, "it does not link to what it supersedes")
            # A result has its place before any review of it; while both wait, only the review is read.
            if each.index is not None and record not in self._open:
                self._report.add(each.where, "no result in the log left its record to a person")

    def _is_recovered(self, each: _Said) -> bool:
        return each.index is not None and any(part.start <= each.index < part.end for part in self._log.recoveries)


class ReviewRows:
    """Checks the rows of one log's reviews."""

    def __init__(self, log: LogReport, report: VerifyReport, sealed: SealedFields, erasures: ErasureCheck) -> None:
        self._log = log
        self._report = report
        self._sealed = sealed
        self._erasures = erasures

    def check(self, work: CommitInWork, at: LeafInWork) -> None:
        """Check the row of a review."""
        row = work.only(self._report, "reviews", at)
        if row is None or at.record is None:
            return
        leaf = at.leaf
        count = str(leaf.count) if leaf.count is not None else None
        said = {"record_id": leaf.record, "n": count, "tenant": self._log.tenant}
        compare_columns(self._report, at, row, "review", said)
        where = f"{at.where}, review of record {leaf.record}"
        if row["sealed"] is None:
            self._erasures.review_gone(where, at.message or at.record, at.record)
            return
        self._sealed.open(where, at.index, row, at.record, row["sealed"], _expected(leaf), leaf)


def _expected(leaf: Leaf) -> Mapping[str, str]:
    """What is sealed beside a review, by its leaf."""
    expected = {LABEL_FIELD: leaf.label, REASON_FIELD: leaf.purpose}
    return {name: value for name, value in expected.items() if value is not None}
