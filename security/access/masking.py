"""What is left of a value when it is masked, by the kind of field. Whether it is masked is security.access.decision.

| kind      | what it shows                                                        | of              | shown       |
|-----------|----------------------------------------------------------------------|-----------------|-------------|
| account   | the last 4 characters, of 12 or more                                 | DE89…1300       | `…1300`     |
| name      | the first character                                                  | 王小明           | `王…`       |
| amount    | the sign, and how many digits stand before the point                 | -1234.56        | `-…(4)`     |
| date      | the year                                                             | 2026-03-01      | `2026-…`    |
| text      | how long it is, in steps: short 1-20, medium 21-200, long            | a remittance    | `…(short)`  |
| code      | nothing but that it is there                                         | 110101199001011 | `…`         |

A mask shows that and no more: nothing of its length, unless the table says so, and nothing of a value that has not the
form of its kind. Equal masks mean nothing: there is no way back from one, and none to link two records by.
"""

import re
import unicodedata
from enum import StrEnum
from typing import Final

SHOWN_OF_ACCOUNT: Final = 4
SHORTEST_ACCOUNT: Final = 12
"""Of a shorter one, four characters would be too much of it."""

_NOTHING: Final = "…"
_AMOUNT: Final = re.compile(r"([+-]?)([0-9]{1,18})(?:\.[0-9]{1,18})?")
_DATE: Final = re.compile(r"([0-9]{4})-[0-9]{2}-[0-9]{2}(?:T[0-9:.Z+-]*)?")
_SEPARATORS: Final = re.compile(r"[\s.\-/]")
_STEPS: Final = ((20, "short"), (200, "medium"))


class MaskKind(StrEnum):
    """How a field is masked."""

    ACCOUNT = "account"
    NAME = "name"
    AMOUNT = "amount"
    DATE = "date"
    TEXT = "text"
    CODE = "code"


def mask(kind: MaskKind, value: str) -> str:
    """What is left of a value; empty of an empty one."""
    text = unicodedata.normalize("NFC", value).strip()
    if not text:
        return ""
    match kind:
        case MaskKind.ACCOUNT:
            return _account(text)
        case MaskKind.NAME:
            return _first_character(text) + _NOTHING
        case MaskKind.AMOUNT:
            return _amount(text)
        case MaskKind.DATE:
            found = _DATE.fullmatch(text)
            return f"{found[1]}-{_NOTHING}" if found is not None else _NOTHING
        case MaskKind.TEXT:
            length = next((name for limit, name in _STEPS if len(text) <= limit), "long")
            return f"{_NOTHING}({length})"
        case MaskKind.CODE:
            return _NOTHING


def mask_kind(name: str) -> MaskKind:
    """How a field of that name is masked, where nothing else is said."""
    return _KINDS.get(name, MaskKind.TEXT)


def _account(text: str) -> str:
    plain = _SEPARATORS.sub("", text)
    if len(plain) < SHORTEST_ACCOUNT or not (plain.isascii() and plain.isalnum()):
        return _NOTHING
    return _NOTHING + plain[-SHOWN_OF_ACCOUNT:]


def _first_character(text: str) -> str:
    """The first letter with what is written on it, such as accents and vowel signs; no more of anything else."""
    first = text[0]
    if not first.isalpha():
        return ""
    marks = ""
    for character in text[1:3]:
        if not unicodedata.combining(character):
            break
        marks += character
    return first + marks


def _amount(text: str) -> str:
    found = _AMOUNT.fullmatch(text)
    if found is None:
        return _NOTHING
    sign = "-" if found[1] == "-" else ""
    return f"{sign}{_NOTHING}({len(found[2].lstrip('0') or '0')})"


_KINDS: Final = {
    "account": MaskKind.ACCOUNT,
    "counterparty_account": MaskKind.ACCOUNT,
    "counterparty_name": MaskKind.NAME,
    "name": MaskKind.NAME,
    "amount": MaskKind.AMOUNT,
    "income": MaskKind.AMOUNT,
    "tax_paid": MaskKind.AMOUNT,
    "booking_date": MaskKind.DATE,
    "value_date": MaskKind.DATE,
    "id_number": MaskKind.CODE,
    "end_to_end_id": MaskKind.CODE,
    "currency": MaskKind.CODE,
}
