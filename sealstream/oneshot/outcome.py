"""What the log says became of a feed: counts and control totals, gathered while it is verified."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from agents.commits.routing import DEFERRED
from schemas.leaf import Leaf
from schemas.reasons import Note, Reason
from sealstream.feeds.expectation import NOTHING, Expectation, Total
from security.opening import OpenedField

_MESSAGE_KINDS: Final = frozenset({"accepted", "closing", "duplicate", "rejected", "result"})

Direction = tuple[str | None, str | None]
"""Currency, and credit or debit."""


@dataclass(slots=True)
class Outcome:
    """Counts of what was proven.

    Attributes:
        message_leaves: Leaves that stand for a message; entries of a statement are part of theirs.
        results: Transactions and other records, by outcome.
        kinds: Decided labels.
        totals: Over all transactions, by currency and direction.
        deferred: Records that were answered later (`done`) or given up (`failed`).
        records: Every record that has a result, to see that none has two.
    """

    message_leaves: int = 0
    results: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    statements: Counter[str] = field(default_factory=Counter)
    deferred: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    duplicate_entries: int = 0
    reads: int = 0
    doubled: int = 0
    totals: dict[Direction, Total] = field(default_factory=dict)
    booked_totals: dict[Direction, Total] = field(default_factory=dict)
    _refused: dict[str, Reason] = field(default_factory=dict)
    _replayed: dict[str, bool] = field(default_factory=dict)
    _waiting: set[str] = field(default_factory=set)
    _records: set[str] = field(default_factory=set)

    @property
    def waiting(self) -> int:
        """Records that still wait in a lane."""
        return len(self._waiting)

    @property
    def messages(self) -> int:
        """Messages that left a leaf of their own; one that was refused and then taken in by a replay is one message."""
        return self.message_leaves - sum(self._replayed.values())

    @property
    def rejected(self) -> Counter[Reason]:
        """Rejected messages and single entries, by reason; without those that a replay has taken in."""
        return Counter(reason for name, reason in self._refused.items() if name not in self._replayed)

    @property
    def replayed(self) -> int:
        """Dead letters that a replay has taken in."""
        return len(self._replayed)

    def observe(self, leaf: Leaf, fields: Mapping[str, OpenedField]) -> None:
        """Count one leaf."""
        if leaf.kind in _MESSAGE_KINDS and leaf.record in (None, leaf.message):
            self.message_leaves += 1
        if leaf.record in self._waiting and leaf.kind in ("result", "rejected"):
            # Its message has a leaf already.
            self._waiting.discard(leaf.record)
            self.message_leaves -= 1
            self.deferred["done" if leaf.kind == "result" else "failed"] += 1
        match leaf.kind:
            case "result":
                self._result(leaf, fields)
            case "accepted" if leaf.outcome == DEFERRED and leaf.record is not None:
                self._waiting.add(leaf.record)
            case "accepted":
                self.statements[leaf.outcome or ""] += 1
            case "rejected" if leaf.reason is not None:
                self._refused[leaf.record or leaf.message or ""] = Reason(leaf.reason)
            case "replay" if leaf.reason is None:
                # An entry's message has a leaf of its own already; a duplicate brings none.
                self._replayed[leaf.linked or ""] = leaf.record == leaf.message and leaf.outcome != Note.DUPLICATE
            case "duplicate":
                self.duplicates += 1
            case "read" | "search":
                self.reads += 1

    def differences(self, expected: Expectation) -> list[str]:
        """Where the counts are not what the feed's maker said; empty when they are."""
        pairs = {
            "results": (expected.results, self.results.total()),
            "records with two results": (0, self.doubled),
            "statements": (expected.statements, self.statements.total()),
            "unbalanced statements": (expected.unbalanced_statements, self.statements["unbalanced"]),
            "duplicates": (expected.duplicates, self.duplicates),
            "duplicate entries": (expected.duplicate_entries, self.duplicate_entries),
            "rejections by reason": (_sorted(expected.rejections), _sorted(self.rejected)),
            "control totals": (expected.totals_by_direction(booked_only=False), self.totals),
            "booked control totals": (expected.totals_by_direction(booked_only=True), self.booked_totals),
        }
        return [f"{what}: expected {want}, found {found}" for what, (want, found) in pairs.items() if want != found]

    def _result(self, leaf: Leaf, fields: Mapping[str, OpenedField]) -> None:
        if leaf.record is not None:
            self.doubled += leaf.record in self._records
            self._records.add(leaf.record)
        self.results[leaf.outcome or ""] += 1
        self.duplicate_entries += leaf.note == Note.DUPLICATE_ENTRY
        label, amount = _text(fields, "label"), _text(fields, "amount")
        if label is not None:
            self.kinds[label] += 1
        if amount is not None:
            place = (_text(fields, "currency"), _text(fields, "credit_debit"))
            self.totals[place] = self.totals.get(place, NOTHING).plus(Decimal(amount))
            if leaf.outcome == "booked":
                self.booked_totals[place] = self.booked_totals.get(place, NOTHING).plus(Decimal(amount))


def _text(fields: Mapping[str, OpenedField], name: str) -> str | None:
    opened = fields.get(name)
    return opened.value.decode() if opened is not None and opened.value is not None else None


def _sorted(counts: Mapping[Reason, int]) -> dict[str, int]:
    return {reason.value: counts[reason] for reason in sorted(counts) if counts[reason]}
