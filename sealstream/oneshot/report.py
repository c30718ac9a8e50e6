"""The report of a run: what became of the feed, how fast, and whether the log proves it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from agents.audit import VerifyReport
from agents.opening.reading import RecordView
from sealstream.feeds.expectation import Total
from sealstream.oneshot.outcome import Direction, Outcome
from sealstream.producing.publish import PublishReport
from streams.storage.progress import Latency

IGNORED_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Throughput:
    """The backlog phase: messages from the moment every worker has its partitions to the last commit."""

    messages: int
    seconds: float

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class PacedPhase:
    """The second phase: messages published at a steady rate."""

    messages: int
    rate: float
    latency: Latency | None


@dataclass(frozen=True, slots=True)
class Shown:
    """One record, seen at tier 1 and at tier 5."""

    record_id: UUID
    low: RecordView
    high: RecordView


@dataclass(slots=True, kw_only=True)
class RunReport:
    """Everything a run found out."""

    feed: str
    messages: int
    ignored: list[str]
    outcome: Outcome
    differences: list[str]
    known_counts: bool
    published: PublishReport
    backlog: Throughput
    paced: PacedPhase | None
    shown: Shown | None
    verification: VerifyReport
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the log verifies, nothing is doubled, every message is accounted for, and counts are as known."""
        return self.verification.ok and not self.differences and not self.outcome.doubled and self.accounted

    @property
    def accounted(self) -> bool:
        """Every message published moved a watermark and left at least one leaf: nothing was lost."""
        return self.outcome.messages == self.messages

    def as_json(self) -> dict[str, Any]:
        """The report as one JSON object."""
        outcome = self.outcome
        return {
            "feed": self.feed,
            "messages": self.messages,
            "ok": self.ok,
            "results": outcome.results.total(),
            "outcomes": dict(outcome.results),
            "kinds": dict(outcome.kinds),
            "statements": dict(outcome.statements),
            "deferred": {"done": outcome.deferred["done"], "failed": outcome.deferred["failed"]}
            | {"waiting": outcome.waiting},
            "duplicates": outcome.duplicates,
            "duplicate_entries": outcome.duplicate_entries,
            "rejected": {reason.value: count for reason, count in sorted(outcome.rejected.items())},
            "replayed": outcome.replayed,
            "differences": self.differences if self.known_counts else None,
            "totals": [_total_json(place, total) for place, total in _sorted(outcome.totals)],
            "backlog": {"messages": self.backlog.messages, "per_second": round(self.backlog.rate, 1)},
            "paced": _paced_json(self.paced),
            "logs": [
                {"origin": log.origin, "size": log.size, "root": log.root.hex()} for log in self.verification.logs
            ],
            "findings": [str(finding) for finding in self.verification.findings],
            "seconds": round(self.seconds, 1),
        }

    def lines(self) -> Iterator[str]:
        """The report for a person."""
        outcome = self.outcome
        yield f"Feed {self.feed}: {self.messages} messages"
        for ignored in self.ignored[:IGNORED_SHOWN]:
            yield f"  not published: {ignored}"
        if len(self.ignored) > IGNORED_SHOWN:
            yield f"  not published: {len(self.ignored) - IGNORED_SHOWN} more"
        yield from _counts("Results", outcome.results)
        yield from _counts("Kinds", outcome.kinds)
        yield from _counts("Statements", outcome.statements)
        if outcome.deferred or outcome.waiting:
            yield (
                f"Documents deferred: {outcome.deferred.total() + outcome.waiting} (done {outcome.deferred['done']}, "
                f"failed {outcome.deferred['failed']}, waiting {outcome.waiting})"
            )
        yield f"Duplicates: {outcome.duplicates} messages, {outcome.duplicate_entries} entries linked"
        yield from _counts("Rejected", {reason.value: count for reason, count in outcome.rejected.items()})
        if outcome.replayed:
            yield f"Dead letters taken in by a replay: {outcome.replayed}"
        yield "Control totals:"
        for (currency, direction), total in _sorted(outcome.totals):
            place = f"{currency or 'no currency'} {direction or 'no sign'}"
            yield f"  {place}: {total.transactions} transactions, {total.amount}"
        yield f"Backlog: {self.backlog.messages} messages in {self.backlog.seconds:.1f} s = {self.backlog.rate:.0f}/s"
        if self.paced is not None:
            yield f"Paced: {self.paced.messages} messages at {self.paced.rate:g}/s{_latency(self.paced.latency)}"
        for log in self.verification.logs:
            yield f"Log {log.origin}: {log.size} leaves, root {log.root.hex()}"
        if self.shown is not None:
            yield f"Record {self.shown.record_id}:"
            for tier, view in ((1, self.shown.low), (5, self.shown.high)):
                yield f"  at tier {tier}: {_fields(view)}"
        yield from self._verdict()

    def _verdict(self) -> Iterator[str]:
        for finding in self.verification.findings:
            yield f"WRONG {finding}"
        for difference in self.differences:
            yield f"WRONG {difference}"
        if not self.accounted:
            yield f"WRONG {self.messages} messages were published, the log speaks of {self.outcome.messages}"
        yield f"Verification: {'ok' if self.verification.ok else 'FAILED'}"
        if self.known_counts:
            yield f"Counts against the known ones: {'equal' if not self.differences else 'DIFFERENT'}"
        yield f"Took {self.seconds:.1f} s"


def _counts(title: str, counts: Any) -> Iterator[str]:
    if counts:
        shown = ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda each: -each[1]))
        yield f"{title}: {sum(counts.values())} ({shown})"


def _sorted(totals: dict[Direction, Total]) -> list[tuple[Direction, Total]]:
    return sorted(totals.items(), key=lambda each: (each[0][0] or "", each[0][1] or ""))


def _total_json(place: Direction, total: Total) -> dict[str, Any]:
    return {
        "currency": place[0],
        "credit_debit": place[1],
        "transactions": total.transactions,
        "amount": str(total.amount),
    }


def _latency(latency: Latency | None) -> str:
    if latency is None:
        return ""
    return f": publish to durable commit p50 {latency.p50:.1f} ms, p99 {latency.p99:.1f} ms"


def _paced_json(paced: PacedPhase | None) -> dict[str, Any] | None:
    if paced is None:
        return None
    found = {"messages": paced.messages, "rate": paced.rate}
    if paced.latency is not None:
        found |= {"p50_ms": round(paced.latency.p50, 2), "p99_ms": round(paced.latency.p99, 2)}
    return found


def _fields(view: RecordView) -> str:
    return ", ".join(
        f"{name}={opened.value.decode() if opened.value is not None else f'<{opened.state}>'}"
        for name, opened in sorted(view.fields.items())
    )
