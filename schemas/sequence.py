"""The `sequence` extension: decimal digits, padded with zeros, one number for each message of a source.

What is missing between two numbers is agents.completeness.source_order's question.
"""

import re
from typing import Final

from schemas.errors import Rejection
from schemas.reasons import Reason

SEQUENCE: Final = "sequence"

MAX_DIGITS: Final = 18
"""Numbers then fit into 64 bits."""

_FORM: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


def parse_sequence(text: str) -> int:
    """The number that a `sequence` stands for.

    CloudEvents lets it be any text whose order is that of strings; only numbers tell what is missing between two.

    Raises:
        Rejection: `schema_violation`: it is not 1 to 18 decimal digits.
    """
    if _FORM.fullmatch(text) is None:
        raise Rejection(Reason.SCHEMA_VIOLATION, f"attribute sequence is not 1 to {MAX_DIGITS} decimal digits")
    return int(text)
