"""Checked decimals: the only way a money amount or a currency code enters the platform.

Bounds are those of ISO 20022 (`ActiveOrHistoricCurrencyAndAmount`). Which sign an amount has is a matter of the
indicator beside it, so nothing here takes a minus; summing and comparing are the callers'.
"""

import re
from decimal import Decimal

from schemas.errors import Rejection
from schemas.reasons import Reason

MAX_DIGITS = 18
MAX_FRACTION_DIGITS = 5

# Explicit ASCII ranges: `\d` and Decimal() both take digits of other scripts, Decimal() takes `1_0`, `1e400` and `NaN`.
_AMOUNT = re.compile(r"([0-9]+)(?:\.([0-9]+))?")
_CURRENCY = re.compile(r"[A-Z]{3}")


def parse_amount(text: str, where: str) -> Decimal:
    """Read a non-negative decimal: digits, optionally a point and more digits, and nothing else.

    Args:
        text: The lexical form; no sign, exponent, grouping or surrounding space.
        where: Name of the element or member, for the rejection's detail.

    Returns:
        The exact value; its exponent keeps the fraction digits as written.

    Raises:
        Rejection: `schema_violation`; the form is another, there are more than 18 digits (leading zeros apart) or more
            than 5 after the point.
    """
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise Rejection(Reason.SCHEMA_VIOLATION, f"{where}: not a plain non-negative decimal")
    whole, fraction = match.groups("")
    if len(fraction) > MAX_FRACTION_DIGITS:
        raise Rejection(Reason.SCHEMA_VIOLATION, f"{where}: more than {MAX_FRACTION_DIGITS} digits after the point")
    if len(text) > MAX_DIGITS and len(whole.lstrip("0")) + len(fraction) > MAX_DIGITS:
        raise Rejection(Reason.SCHEMA_VIOLATION, f"{where}: more than {MAX_DIGITS} digits")
    return Decimal(text)


def parse_currency(text: str, where: str) -> str:
    """Check the form of an ISO 4217 alphabetic code; whether the code is in use is not asked.

    Raises:
        Rejection: `schema_violation`; it is not three capital letters A to Z.
    """
    if _CURRENCY.fullmatch(text) is None:
        raise Rejection(Reason.SCHEMA_VIOLATION, f"{where}: not a three-letter currency code")
    return text
