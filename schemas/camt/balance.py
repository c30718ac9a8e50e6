"""Does opening + booked entries = closing, per currency of one statement? Reads `Bal` parts; changes nothing.

Opening is `OPBD`, else the previous closing `PRCD`, else an interim `ITBD` when a `CLBD` closes; closing is `CLBD`,
else `ITBD` when one of the first two opens: so the pages of a statement in several messages each prove themselves.
Of several opening balances the earliest day's counts, of several closing ones the latest day's; two different amounts
of that same day state nothing.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal

from schemas.camt.content import Parts
from schemas.camt.entry import EntryFacts
from schemas.statement import BalanceCheck

_Stated = list[tuple[dt.date, Decimal]]

_WORST_FIRST = (BalanceCheck.UNBALANCED, BalanceCheck.NOT_STATED, BalanceCheck.BALANCED)


def worst(checks: Iterable[BalanceCheck]) -> BalanceCheck:
    """The answer for several currencies or statements: unbalanced before not stated before balanced."""
    found = set(checks)
    return next((check for check in _WORST_FIRST if check in found), BalanceCheck.NOT_STATED)


def check_balances(
    balances: Sequence[Parts], entries: Iterable[EntryFacts], *, unread: bool, paged: bool
) -> BalanceCheck:
    """Check one statement.

    Args:
        balances: Its `Bal` parts.
        entries: Its readable entries; those that are not booked don't count.
        unread: An entry could not be read, so neither agreement nor difference proves anything.
        paged: The message is one page of several; its balances may be the whole statement's, so a difference proves
            nothing.

    Returns:
        The worst answer over the currencies that an opening or closing balance or a booked entry names.
    """
    stated: dict[str, dict[str, _Stated]] = defaultdict(lambda: defaultdict(list))
    for balance in balances:
        if (code := _code(balance["Tp"])) in ("OPBD", "PRCD", "ITBD", "CLBD"):
            money = balance["Amt"]
            signed = money.amount if balance["CdtDbtInd"] == "CRDT" else -money.amount
            day: dt.date = balance["Dt"].get("Dt") or balance["Dt"]["DtTm"]
            stated[money.currency][code].append((day, signed))
    moved: dict[str, Decimal] = defaultdict(Decimal)
    for entry in entries:
        if entry.booked:
            amount = entry.money.amount
            moved[entry.money.currency] += amount if entry.credit_debit == "CRDT" else -amount
    agree = [
        _agrees(stated.get(currency, {}), moved.get(currency, Decimal(0))) for currency in stated.keys() | moved.keys()
    ]
    if unread or not agree or (None in agree and False not in agree):
        return BalanceCheck.NOT_STATED
    if False in agree:
        return BalanceCheck.NOT_STATED if paged else BalanceCheck.UNBALANCED
    return BalanceCheck.BALANCED


def _agrees(stated: dict[str, _Stated], moved: Decimal) -> bool | None:
    """Whether one currency's balances and movements agree; None when a balance is not stated."""
    opening = _amount(stated.get("OPBD"), earliest=True)
    if opening is None:
        opening = _amount(stated.get("PRCD"), earliest=False)
    closing = _amount(stated.get("CLBD"), earliest=False)
    interim = stated.get("ITBD")
    if opening is None and closing is not None:
        opening = _amount(interim, earliest=True)
    elif opening is not None and closing is None:
        closing = _amount(interim, earliest=False)
    if opening is None or closing is None:
        return None
    return opening + moved == closing


def _amount(stated: _Stated | None, *, earliest: bool) -> Decimal | None:
    """The amount of the earliest or latest day; None when there is none or that day has two."""
    if not stated:
        return None
    day = (min if earliest else max)(day for day, _ in stated)
    amounts = {amount for stated_day, amount in stated if stated_day == day}
    return amounts.pop() if len(amounts) == 1 else None


def _code(balance_type: Parts) -> str | None:
    """The balance's code: `Tp/Cd` in version 01, `Tp/CdOrPrtry/Cd` later; None for a proprietary one."""
    code: str | None = balance_type.get("CdOrPrtry", balance_type).get("Cd")
    return code
