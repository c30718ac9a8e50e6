"""Compare dead letters with their leaves, and their places with those of their messages."""

from typing import Final

from agents.audit.commit import CommitInWork, LeafInWork, compare_columns
from agents.audit.findings import LogReport, VerifyReport
from agents.commits.recording import rfc3339

_PLACE: Final = ("topic", "part", "kafka_offset")


class DeadLetterCheck:
    """Checks the dead letters of one log."""

    def __init__(self, log: LogReport, report: VerifyReport) -> None:
        self._log = log
        self._report = report

    def check(self, work: CommitInWork, at: LeafInWork) -> None:
        """Check a dead letter's row."""
        row = work.only(self._report, "dead_letters", at)
        if row is None:
            return
        said = {
            "dead_letter_id": at.leaf.record or at.leaf.message,
            "message_id": at.leaf.message,
            "reason": at.leaf.reason,
            "tenant": self._log.tenant,
        }
        compare_columns(self._report, at, row, "dead letter", said)
        message = work.messages.get(at.message) if at.message is not None else None
        received = message["received_at"] if message is not None else None
        if (
            at.leaf.received is not None
            and message is not None
            and (received is None or rfc3339(received) != at.leaf.received)
        ):
            self._report.add(at.where, "received_at of its message is not what the leaf says")
        if message is not None and any(row[column] != message[column] for column in _PLACE):
            self._report.add(at.where, "topic, part and kafka_offset of its dead letter are not those of its message")
