"""Follow the `erase` leaves: content that is gone needs one, and content that one names must be gone."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from agents.audit.findings import LogReport, VerifyReport
from agents.upkeep.erasing import erased_by
from schemas.leaf import Leaf
from streams.storage.erasing import Content, Erased


@dataclass(frozen=True, slots=True)
class _Gone:
    """Content that is not there; without a record the message's own bytes."""

    log: LogReport
    where: str
    message: UUID
    record: UUID | None


class ErasureCheck:
    """Collects what is gone and what erase leaves say, then compares.

    Attributes:
        records: The erased records whose rows were met, once it is finished.

    Args:
        ledger: The lines of the erasure ledger as stored: log id, commit id, ordinal, message and record.
    """

    def __init__(self, report: VerifyReport, ledger: Collection[tuple[int, int, int, UUID, UUID | None]]) -> None:
        self._report = report
        self._ledger = {
            (log_id, commit_id, leaf): (message, record) for log_id, commit_id, leaf, message, record in ledger
        }
        self._gone: list[_Gone] = []
        self._reviews: list[tuple[str, UUID, UUID]] = []
        self._said: dict[tuple[UUID, UUID | None], str] = {}
        self.records: set[bytes] = set()

    def gone(self, log: LogReport, where: str, message: UUID, record: UUID | None = None) -> None:
        """A row has no content.

        Args:
            record: Whose fields are gone; None for the message's own bytes.
        """
        self._gone.append(_Gone(log, where, message, record))

    def review_gone(self, where: str, message: UUID, record: UUID) -> None:
        """A review of a record has no content: it goes with the record's."""
        self._reviews.append((where, message, record))

    def see(self, log: LogReport, where: str, commit_id: int, ordinal: int, leaf: Leaf) -> None:
        """Go on with a leaf, if it says that something was erased.

        Args:
            commit_id: The commit it stands in, which after a recovery need not be the one that it names.
        """
        if leaf.kind != "erase":
            return
        erased = erased_by(leaf)
        if erased is None or leaf.actor is None or leaf.basis is None:
            self._report.add(where, "an erasure does not say what was erased, who did it, and on what basis")
            return
        self._said[erased] = where
        stored = self._ledger.pop((log.log_id, commit_id, ordinal), None)
        if stored != erased:
            what = "is gone" if stored is None else "names something else"
            self._report.add(
                where, f"its line in the erasure ledger {what}: a restored backup would not be erased again"
            )

    def said(self) -> list[tuple[UUID, UUID | None]]:
        """What was erased, by the logs: message and record, None for all."""
        return list(self._said)

    def finish(self, content: Content) -> None:
        """Compare.

        Args:
            content: What is there of what was erased.
        """
        erased = Erased(self._said.keys())
        for each in self._gone:
            if each.record is None and not erased.evidence(each.message):
                self._report.add(each.where, "the evidence is gone and no leaf says that it was erased")
            elif each.record is not None and not erased.record(each.message, each.record):
                self._report.add(each.where, "its sealed fields are gone and no leaf says that they were erased")
            elif each.record is None:
                each.log.evidence_erased += 1
            else:
                each.log.records_erased += 1
                self.records.add(each.record.bytes)
        for where, message, record in self._reviews:
            if not erased.record(message, record):
                self._report.add(where, "label and reason are gone and no leaf says that its record was erased")
        for name in [*content.messages, *content.records]:
            self._report.add(f"record {name}", "it was erased and its content is there again; erase it again")
        for (_, commit_id, _), (message, _) in sorted(self._ledger.items(), key=lambda line: line[0]):
            what = f"no leaf of commit {commit_id} says that it was erased, and the erasure ledger does"
            self._report.add(f"message {message}", what)
