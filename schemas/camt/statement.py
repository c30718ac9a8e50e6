"""Decodes a camt.053 message into its items.

What goes wrong ends in one of two ways. The whole message is refused (`Rejection` raised) when its own frame is wrong:
header, statement, account or balances missing, out of order or holding bad values. An entry alone is refused (a
`Rejection` in its item) when the fault lies inside that `Ntry`: a bad value, a missing or misplaced element, details
that do not add up. When no entry of a message has the structure of the standard, the message is not what its
namespace says, and it is refused whole.
"""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from lxml import etree

from schemas.camt.balance import check_balances, worst
from schemas.camt.content import Layouts, Parts, StructureViolation, layouts_of
from schemas.camt.document import find_statement_document
from schemas.camt.entry import EntryFacts, StatementAccount, entry_facts, entry_transactions, read_account
from schemas.errors import Rejection
from schemas.reasons import Reason
from schemas.safe_xml import DEFAULT_LIMITS, XmlLimits, parse_xml
from schemas.statement import BalanceCheck, EntryKey, StatementItem, StatementMessage
from schemas.transaction import Transaction

MAX_ITEMS = 100_000


@dataclass(slots=True)
class _Decoding:
    """What is gathered while the statements of one message are read."""

    layouts: Layouts
    max_items: int
    items: list[StatementItem] = field(default_factory=list)
    occurrences: Counter[EntryKey] = field(default_factory=Counter)
    entries: int = 0
    misshapen: list[Rejection] = field(default_factory=list)


def decode_statement(
    data: bytes, *, limits: XmlLimits = DEFAULT_LIMITS, max_items: int = MAX_ITEMS
) -> StatementMessage:
    """Decode one message.

    Args:
        data: The XML as received, with whatever wrapper.
        limits: What the XML may cost.
        max_items: Transactions and refused entries that one message may make.

    Returns:
        The message's items in document order, and whether its balances agree with them.

    Raises:
        Rejection: `malformed` XML; `unsupported_type` for any other message; `oversized`; `schema_violation` as told
            at the head of this module. Details name elements and positions, counted from 1, never values.
    """
    document = find_statement_document(parse_xml(data, limits=limits))
    decoding = _Decoding(layouts_of(document.namespace, document.version), max_items)
    faults: list[str] = []
    parts = decoding.layouts.read(document.element, "Document", faults)
    if faults:
        raise Rejection(Reason.SCHEMA_VIOLATION, faults[0])
    message: Parts = next(iter(parts.values()))
    whole = _is_whole(message["GrpHdr"].get("MsgPgntn"))
    checks = [_read_statement(decoding, n, stmt, whole=whole) for n, stmt in enumerate(message["Stmt"], 1)]
    if decoding.misshapen and len(decoding.misshapen) == decoding.entries:
        raise decoding.misshapen[0]
    return StatementMessage(document.message_type, len(checks), tuple(decoding.items), worst(checks))


def _read_statement(decoding: _Decoding, number: int, statement: Parts, *, whole: bool) -> BalanceCheck:
    account = read_account(statement["Acct"])
    facts: list[EntryFacts] = []
    elements: list[etree._Element] = statement.get("Ntry", [])
    decoding.entries += len(elements)
    for n, element in enumerate(elements, 1):
        where = f"Stmt {number}, Ntry {n}"
        known = _read_entry(decoding, where, element, account)
        if known is not None:
            facts.append(known)
        if len(decoding.items) > decoding.max_items:
            raise Rejection(Reason.OVERSIZED, f"more than {decoding.max_items} transactions in one message")
    paged = not (whole and _is_whole(statement.get("StmtPgntn")))
    return check_balances(statement["Bal"], facts, unread=len(facts) < len(elements), paged=paged)


def _read_entry(
    decoding: _Decoding, where: str, element: etree._Element, account: StatementAccount
) -> EntryFacts | None:
    """Append the items of one entry; returns what balances need of it, None when that can't be read."""
    known = None
    try:
        entry = _entry_parts(decoding.layouts, element)
        known = entry_facts(entry)
        transactions = entry_transactions(entry, account)
    except Rejection as exc:
        refused = Rejection(exc.reason, f"{where}: {exc.detail}")
        decoding.items.append(StatementItem(refused, None))
        if isinstance(exc, StructureViolation):
            decoding.misshapen.append(refused)
        return known
    for transaction in transactions:
        decoding.items.append(StatementItem(transaction, _entry_key(transaction, decoding.occurrences)))
    return known


def _entry_parts(layouts: Layouts, element: etree._Element) -> Parts:
    faults: list[str] = []
    entry = layouts.read(element, "Entry", faults)
    if faults:
        raise Rejection(Reason.SCHEMA_VIOLATION, faults[0])
    return entry


def _entry_key(transaction: Transaction, occurrences: Counter[EntryKey]) -> EntryKey | None:
    """Key of a booked entry with a bank reference; equal keys of one message are told apart by their occurrence."""
    reference = transaction.account_servicer_reference or transaction.entry_reference
    if transaction.status != "BOOK" or reference is None:
        return None
    booked = transaction.booking_date.isoformat() if transaction.booking_date is not None else ""
    stem = (transaction.account or "", reference, booked, _plain(transaction.amount))
    occurrence = occurrences[stem]
    occurrences[stem] += 1
    return (*stem, str(occurrence))


def _plain(amount: Decimal) -> str:
    """One text for one value: 12.50 and 12.5 are the same amount in two messages."""
    return format(amount.normalize(), "f")


def _is_whole(page: Parts | None) -> bool:
    """Whether a header or statement is not one page of several."""
    return page is None or (int(page["PgNb"]) == 1 and page["LastPgInd"] is True)
