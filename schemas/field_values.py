"""Canonical bytes of a record's fields: what is sealed, committed to and shown again to a reader.

Tiers and searchability of the fields are schemas.catalogue.
"""

import operator
from decimal import Decimal
from typing import Final

from schemas.errors import Rejection
from schemas.reasons import Reason
from schemas.transaction import Transaction

_NAMES: Final = tuple(sorted(Transaction.__struct_fields__))
_values = operator.attrgetter(*_NAMES)


def record_values(transaction: Transaction) -> list[tuple[str, bytes]]:
    """Take the fields that a transaction has, as name and canonical bytes, sorted by name.

    Text is UTF-8 as it is; an amount is plain decimal text with the digits it came with; a date is ISO 8601; `reversal`
    is `true` or `false` and always there, because the names alone stand in the log and would tell a reversal.

    Raises:
        Rejection: `malformed`; a text is no valid Unicode.
    """
    found = []
    try:
        for name, value in zip(_NAMES, _values(transaction), strict=True):
            if value is None:
                continue
            kind = value.__class__
            if kind is str:
                found.append((name, value.encode()))
            elif kind is bool:
                found.append((name, b"true" if value else b"false"))
            elif kind is Decimal:
                found.append((name, format(value, "f").encode()))
            else:
                found.append((name, value.isoformat().encode()))
    except UnicodeEncodeError as exc:
        raise Rejection(Reason.MALFORMED, f"{name}: not valid Unicode text") from exc
    return found
