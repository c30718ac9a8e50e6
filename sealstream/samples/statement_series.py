"""Statements as banks send them, day after day for each account, and the special ones a platform has to cope with."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from random import Random

from schemas.reasons import Reason
from sealstream.feeds.expectation import Tally
from sealstream.samples.narratives import make_narrative
from sealstream.samples.parties import Party
from sealstream.samples.statements import SampleDetail, SampleEntry, SampleStatement
from sealstream.samples.world import World, currency_of

FIRST_DAY = dt.date(2026, 1, 5)
_OVERLAP = 3
_CENT = Decimal("0.01")


class StatementKind(StrEnum):
    """What is special about a statement."""

    ORDINARY = "ordinary"
    EMPTY = "empty"
    OVERLAPPING = "overlapping"
    UNBALANCED = "unbalanced"
    INCOMPLETE = "incomplete"
    BAD_ENTRY = "bad_entry"


@dataclass(slots=True)
class _Ledger:
    """Where an account stands between two statements."""

    balance: Decimal
    sent: int = 0
    last_entries: tuple[SampleEntry, ...] = ()


class StatementSeries:
    """Makes the statements of all accounts in turn.

    Args:
        rng: Source of every choice.
        world: Who there is.
        entries: Entries of an ordinary statement.
    """

    def __init__(self, rng: Random, world: World, entries: int) -> None:
        self._rng = rng
        self._world = world
        self._entries = entries
        self._ledgers = {account.iban: _Ledger(_money(rng, 2_000, 90_000)) for account in world.accounts}
        self._made = 0
        self._references = 0

    def make(self, kind: StatementKind) -> SampleStatement:
        """The next statement. An overlapping one is about the account of the statement before it."""
        # Each account gets a few statements in a row, so that balances carry on from one to the next.
        turn = self._made - (kind is StatementKind.OVERLAPPING)
        account = self._world.accounts[turn // 4 % len(self._world.accounts)]
        self._made += 1
        ledger = self._ledgers[account.iban]
        date = FIRST_DAY + dt.timedelta(days=ledger.sent)
        ledger.sent += 1
        entries, repeated = self._entries_of(kind, account, ledger, date)
        # A statement that repeats entries begins where they began.
        opening = ledger.balance - sum((entry.booked_amount for entry in repeated), Decimal(0))
        closing = opening + sum((entry.booked_amount for entry in repeated + entries), Decimal(0))
        ledger.balance = closing
        ledger.last_entries = entries or ledger.last_entries
        return SampleStatement(
            message_id=f"STMT-{self._made:05}",
            number=ledger.sent,
            account=account,
            currency=currency_of(account),
            date=date,
            opening=opening,
            closing=closing + (10 if kind is StatementKind.UNBALANCED else 0),
            entries=repeated + entries,
        )

    def _entries_of(
        self, kind: StatementKind, account: Party, ledger: _Ledger, date: dt.date
    ) -> tuple[tuple[SampleEntry, ...], tuple[SampleEntry, ...]]:
        if kind is StatementKind.EMPTY:
            return (), ()
        entries = [self._entry(account, date) for _ in range(self._rng.randint(self._entries - 3, self._entries + 3))]
        if kind is StatementKind.INCOMPLETE:
            entries.append(self._batch(account, date, short_by=_CENT))
        if kind is StatementKind.BAD_ENTRY:
            entries.append(self._entry(account, date, comma=True))
        repeated = ledger.last_entries[-_OVERLAP:] if kind is StatementKind.OVERLAPPING else ()
        return tuple(entries), repeated

    def _entry(self, account: Party, date: dt.date, *, comma: bool = False) -> SampleEntry:
        rng = self._rng
        if not comma and rng.random() < 0.06:
            return self._batch(account, date, short_by=Decimal(0))
        counterparty = self._world.counterparty(rng, account)
        narrative = make_narrative(rng, counterparty)
        detail = SampleDetail(narrative.amount, counterparty, self._end_to_end_id(), narrative.text)
        return SampleEntry(
            amount=narrative.amount,
            credit_debit=narrative.credit_debit,
            status="BOOK" if comma else rng.choices(("BOOK", "PDNG", "INFO"), (93, 5, 2))[0],
            date=date,
            reference=self._reference(),
            bank_transaction_code=narrative.bank_transaction_code,
            details=(detail,),
            stated_amount=str(narrative.amount).replace(".", ",") if comma else str(narrative.amount),
        )

    def _batch(self, account: Party, date: dt.date, *, short_by: Decimal) -> SampleEntry:
        """Several payments collected in one entry; `short_by` is what its details leave unexplained."""
        details = []
        for _ in range(self._rng.randint(2, 6)):
            counterparty = self._world.counterparty(self._rng, account)
            narrative = make_narrative(self._rng, counterparty, "credit_transfer_in")
            details.append(SampleDetail(narrative.amount, counterparty, self._end_to_end_id(), narrative.text))
        amount = sum((detail.amount for detail in details), short_by)
        return SampleEntry(
            amount, "CRDT", "BOOK", date, self._reference(), "PMNT-RCDT-ESCT", tuple(details), str(amount)
        )

    def _end_to_end_id(self) -> str:
        return "NOTPROVIDED" if self._rng.random() < 0.3 else f"E2E-{self._rng.randrange(10**10):010}"

    def _reference(self) -> str:
        self._references += 1
        return f"SVC{self._references:09}"


def kinds(count: int, *, special: bool) -> Iterator[StatementKind]:
    """Kinds of a sample's statements in order; every special kind comes once, the rest are ordinary.

    The special ones are spread, each after at least one ordinary statement, so that there are entries to overlap.
    """
    specials = [kind for kind in StatementKind if kind is not StatementKind.ORDINARY] if special else []
    step = max(2, count // (len(specials) + 1))
    for n in range(count):
        turn, rest = divmod(n, step)
        yield specials[turn] if rest == step - 1 and turn < len(specials) else StatementKind.ORDINARY


def count_statement(statement: SampleStatement, kind: StatementKind, tally: Tally) -> None:
    """Count what an accepted statement must come to."""
    tally.statements += 1
    tally.unbalanced_statements += kind is StatementKind.UNBALANCED
    for n, entry in enumerate(statement.entries):
        batch = len(entry.details) > 1
        if batch and sum((detail.amount for detail in entry.details), Decimal(0)) != entry.amount:
            tally.rejected_entries[Reason.INCOMPLETE] += 1
            continue
        if "," in entry.stated_amount:
            tally.rejected_entries[Reason.SCHEMA_VIOLATION] += 1
            continue
        amounts = [detail.amount for detail in entry.details] if batch else [entry.amount]
        for amount in amounts:
            tally.statement_results += 1
            tally.add_to_totals(statement.currency, entry.credit_debit, entry.status, amount)
        if kind is StatementKind.OVERLAPPING and n < _OVERLAP and entry.status == "BOOK":
            tally.duplicate_entries += len(amounts)


def _money(rng: Random, low: int, high: int) -> Decimal:
    return (Decimal(rng.randrange(low * 100, high * 100)) / 100).quantize(_CENT)
