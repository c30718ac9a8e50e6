"""Control totals: how many transactions some messages hold and what they sum up to, by currency and direction.

A producer makes them from what it sends and the platform from what it kept, both with this code. What a closing does
with them is schemas.closing.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

import msgspec

from schemas.errors import Rejection
from schemas.transaction import CreditDebit, Transaction
from schemas.transaction_json import decode_transaction

TRANSACTION: Final = "io.sealstream.transaction.v1"
STATEMENT: Final = "io.sealstream.statement.v1"

FRACTION_DIGITS: Final = 5
"""Sums are kept as whole numbers of this many digits after the point: exact, whatever they grow to."""

Direction = tuple[str | None, CreditDebit | None]
"""Currency, and credit or debit; None where the producer did not say."""


class ControlTotal(msgspec.Struct, frozen=True, kw_only=True):
    """The transactions of one currency and direction.

    Attributes:
        amount: Their sum; amounts are never negative, so neither is it.
    """

    currency: str | None = None
    credit_debit: CreditDebit | None = None
    count: int
    amount: Decimal

    @property
    def direction(self) -> Direction:
        """What it is the total of."""
        return self.currency, self.credit_debit


class ControlTotals:
    """Adds up transactions, one after the other."""

    def __init__(self) -> None:
        self._counts: dict[Direction, int] = {}
        self._sums: dict[Direction, int] = {}

    def add(self, transactions: Iterable[Transaction]) -> None:
        """Add some; an amount has at most `FRACTION_DIGITS` digits after the point."""
        for each in transactions:
            direction = each.currency, each.credit_debit
            self._counts[direction] = self._counts.get(direction, 0) + 1
            self._sums[direction] = self._sums.get(direction, 0) + int(each.amount.scaleb(FRACTION_DIGITS))

    def totals(self) -> tuple[ControlTotal, ...]:
        """The totals so far, in order of currency and direction."""
        return tuple(
            ControlTotal(
                currency=direction[0],
                credit_debit=direction[1],
                count=count,
                amount=_decimal(self._sums[direction]),
            )
            for direction, count in sorted(self._counts.items(), key=lambda each: _sortable(each[0]))
        )


def transactions_of(kind: str, data: bytes) -> Iterator[Transaction]:
    """The transactions that a message holds; a message of another type, or one that can't be read, holds none.

    Entries that are refused within a statement are left out, as are statements that are refused whole.
    """
    try:
        if kind == TRANSACTION:
            yield decode_transaction(data)
        elif kind == STATEMENT:
            from schemas.camt import decode_statement  # lxml, which a producer of plain transactions has no use for

            for item in decode_statement(data).items:
                if isinstance(item.transaction, Transaction):
                    yield item.transaction
    except Rejection:
        return


def _decimal(units: int) -> Decimal:
    """A sum as decimal with at least two digits after the point, as people write money."""
    whole, fraction = divmod(units, 10**FRACTION_DIGITS)
    return Decimal(f"{whole}.{f'{fraction:0{FRACTION_DIGITS}}'.rstrip('0'):0<2}")


def _sortable(direction: Direction) -> tuple[str, str]:
    return direction[0] or "", direction[1] or ""
