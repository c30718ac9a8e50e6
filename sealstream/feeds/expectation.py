"""What a feed must come to, known before the platform has seen it. Comparing it with what happens is the caller's."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from schemas.reasons import Reason


class TotalKey(NamedTuple):
    """What a control total is kept for; None is what the producer did not say."""

    currency: str | None
    credit_debit: str | None
    status: str | None


class Total(NamedTuple):
    """How many transactions, and their amounts added up."""

    transactions: int
    amount: Decimal

    def plus(self, amount: Decimal, transactions: int = 1) -> "Total":
        """The total with more in it."""
        return Total(self.transactions + transactions, self.amount + amount)


NOTHING = Total(0, Decimal(0))


@dataclass(frozen=True, slots=True)
class Expectation:
    """The outcome of a whole feed on a platform that has not seen it before.

    Every message ends as exactly one of: a result of its own, an accepted statement, a duplicate, a rejection; so
    `messages` is `transactions + documents + statements + duplicates + sum(rejected_messages)`.

    Attributes:
        messages: Kafka messages published.
        results: Documents and transactions that become results, those inside statements included.
        transactions: Messages that are one good transaction.
        statements: Statement messages accepted, whatever happens to single entries of them.
        unbalanced_statements: Accepted statements whose balances do not follow from their entries.
        duplicates: Messages that repeat an earlier one.
        duplicate_entries: Results that carry the note `duplicate_entry`.
        rejected_messages: Rejected messages by reason.
        rejected_entries: Rejected items of accepted statements by reason.
        totals: Control totals over all results.
        documents: Messages that are one good document.
    """

    messages: int
    results: int
    transactions: int
    statements: int
    unbalanced_statements: int
    duplicates: int
    duplicate_entries: int
    rejected_messages: Mapping[Reason, int]
    rejected_entries: Mapping[Reason, int]
    totals: Mapping[TotalKey, Total]
    documents: int = 0

    @property
    def rejections(self) -> dict[Reason, int]:
        """Rejected records by reason: messages and single items together."""
        return dict(Counter(self.rejected_messages) + Counter(self.rejected_entries))

    def totals_by_direction(self, *, booked_only: bool) -> dict[tuple[str | None, str | None], Total]:
        """Control totals by (currency, direction), over all results or over the booked ones alone."""
        sums: dict[tuple[str | None, str | None], Total] = {}
        for key, total in self.totals.items():
            if booked_only and key.status != "BOOK":
                continue
            place = (key.currency, key.credit_debit)
            sums[place] = sums.get(place, NOTHING).plus(total.amount, total.transactions)
        return sums


@dataclass(slots=True)
class Tally:
    """Counts up an `Expectation` while a sample is generated."""

    transactions: int = 0
    documents: int = 0
    statements: int = 0
    statement_results: int = 0
    unbalanced_statements: int = 0
    duplicates: int = 0
    duplicate_entries: int = 0
    rejected_messages: Counter[Reason] = field(default_factory=Counter)
    rejected_entries: Counter[Reason] = field(default_factory=Counter)
    totals: dict[TotalKey, Total] = field(default_factory=dict)

    def add_to_totals(
        self, currency: str | None, credit_debit: str | None, status: str | None, amount: Decimal
    ) -> None:
        """Count one result."""
        key = TotalKey(currency, credit_debit, status)
        self.totals[key] = self.totals.get(key, NOTHING).plus(amount)

    def expectation(self) -> Expectation:
        """What has been counted so far."""
        done = self.transactions + self.documents + self.statements + self.duplicates + self.rejected_messages.total()
        return Expectation(
            messages=done,
            results=self.transactions + self.documents + self.statement_results,
            transactions=self.transactions,
            statements=self.statements,
            unbalanced_statements=self.unbalanced_statements,
            duplicates=self.duplicates,
            duplicate_entries=self.duplicate_entries,
            rejected_messages=dict(self.rejected_messages),
            rejected_entries=dict(self.rejected_entries),
            totals=dict(self.totals),
            documents=self.documents,
        )
