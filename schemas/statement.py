"""A bank's statement message, whatever its format: the header facts and the items it makes, in document order."""

from dataclasses import dataclass
from enum import StrEnum

from schemas.errors import Rejection
from schemas.transaction import Transaction

EntryKey = tuple[str, ...]


class BalanceCheck(StrEnum):
    """Whether opening balance + booked entries = closing balance, for every statement of the message."""

    BALANCED = "balanced"
    UNBALANCED = "unbalanced"
    NOT_STATED = "not_stated"


@dataclass(frozen=True, slots=True)
class StatementItem:
    """The n-th item of a message: a transaction, or the reason why this entry alone is refused.

    Attributes:
        transaction: The transaction, or a `Rejection` for a bad entry.
        entry_key: (account, bank reference, booking date, amount, occurrence) of a booked entry; None when the entry
            has no bank reference or is not booked. The same entry in another message has the same key.
    """

    transaction: Transaction | Rejection
    entry_key: EntryKey | None


@dataclass(frozen=True, slots=True)
class StatementMessage:
    """One decoded message. `items` may be empty: a day without movements is a valid statement.

    Attributes:
        message_type: For example `camt.053.001.08`.
        statements: How many `Stmt` blocks the message holds.
        items: In document order; the position is the record's n.
        balance: The worst answer over the statements: unbalanced, then not stated, then balanced.
    """

    message_type: str
    statements: int
    items: tuple[StatementItem, ...]
    balance: BalanceCheck
