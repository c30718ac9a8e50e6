"""Cells of a CSV export as the values of a transaction: amounts, dates, directions.

What cannot be read for certain is None, and the feed then publishes the cell as it was written: the platform refuses
it where everybody can see it. How a file writes its numbers and dates is learnt by `Conventions` in a first pass.
"""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass

# Spaces group digits as well (no-break and narrow ones in French and Swiss exports), and so does the apostrophe.
_NOISE = re.compile(r"[\s\u00a0\u202f'’€£$¥￥]")
_SIGNED = re.compile(r"(?P<open>\()?(?P<sign>[+\-−])?(?P<digits>[0-9.,]+)(?P<after>[+\-−])?(?P<close>\))?")
_POINT_DECIMAL = re.compile(r"(?:[0-9]+|[1-9][0-9]{0,2}(?:,[0-9]{3})+)?(?:\.[0-9]*)?")
_COMMA_DECIMAL = re.compile(r"(?:[0-9]+|[1-9][0-9]{0,2}(?:\.[0-9]{3})+)?(?:,[0-9]*)?")
_DIGIT = re.compile(r"[0-9]")
_LONGEST_AMOUNT = 64

_YEAR_FIRST = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})\.?(?:[T ].*)?")
_COMPACT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_CHINESE = re.compile(r"([0-9]{4})年([0-9]{1,2})月([0-9]{1,2})日(?: .*)?")
_YEAR_LAST = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})(?:[T ].*)?")
_MONTH_NAME = re.compile(r"([0-9]{1,2})[ \-]([A-Za-z]{3})[a-z]*[ \-]([0-9]{4})")
_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11,
    "dec": 12,
}  # fmt: skip

_DIRECTIONS: Mapping[str, str] = dict.fromkeys(
    ("crdt", "credit", "cr", "c", "+", "h", "haben", "bij", "inflow", "贷", "贷方", "收入", "收"), "CRDT"
) | dict.fromkeys(("dbit", "debit", "dr", "d", "-", "s", "soll", "af", "outflow", "借", "借方", "支出", "支"), "DBIT")


@dataclass(slots=True)
class Conventions:
    """How one file writes numbers and dates, learnt from all of its rows.

    Attributes:
        negatives: Some amount is below zero, so an amount without a sign is a credit.
        points: Amounts that can only be read with a decimal point.
        commas: Amounts that can only be read with a decimal comma.
        days_first: Dates that can only be read with the day first.
        months_first: Dates that can only be read with the month first.
    """

    negatives: bool = False
    points: int = 0
    commas: int = 0
    days_first: int = 0
    months_first: int = 0

    def see_amount(self, cell: str) -> None:
        """Learn from one amount."""
        match = _amount(cell)
        if match is None:
            return
        self.negatives = self.negatives or _is_negative(match)
        point, comma = _possible_marks(match["digits"])
        self.points += point and not comma
        self.commas += comma and not point

    def see_date(self, cell: str) -> None:
        """Learn from one date."""
        match = _YEAR_LAST.fullmatch(cell)
        if match is not None and match[2] != ".":
            self.days_first += int(match[1]) > 12
            self.months_first += int(match[3]) > 12

    def read_amount(self, cell: str) -> tuple[str, bool] | None:
        """The plain decimal of a cell and whether it is negative; None when it is no amount for certain."""
        match = _amount(cell)
        if match is None:
            return None
        digits = self._plain(match["digits"])
        return None if digits is None else (digits, _is_negative(match))

    def _plain(self, digits: str) -> str | None:
        if digits.isdigit():
            return digits
        point, comma = _possible_marks(digits)
        if point and comma:
            # `1.234` or `1,234` may be thousands or a fraction: the rest of the file decides, and where it is silent a
            # point is taken for what nearly every program means by it. A comma is not.
            point = not self.commas and (self.points > 0 or "." in digits)
            comma = self.commas > 0 and not self.points
        if point:
            whole, _, fraction = digits.replace(",", "").partition(".")
        elif comma:
            whole, _, fraction = digits.replace(".", "").partition(",")
        else:
            return None
        return f"{whole or '0'}.{fraction}" if fraction else whole or "0"

    def read_date(self, cell: str) -> str | None:
        """`YYYY-MM-DD`, or None when the cell is no calendar date or may be two different ones."""
        if match := _YEAR_FIRST.fullmatch(cell):
            return _iso(match[1], match[3], match[4])
        if match := _COMPACT.fullmatch(cell) or _CHINESE.fullmatch(cell):
            return _iso(match[1], match[2], match[3])
        if match := _MONTH_NAME.fullmatch(cell):
            return _iso(match[3], _MONTHS.get(match[2].lower(), 0), match[1])
        if match := _YEAR_LAST.fullmatch(cell):
            year = match[4] if len(match[4]) == 4 else f"20{match[4]}"
            day_first = match[2] == "." or self._is_day_first(int(match[1]), int(match[3]))
            if day_first is not None:
                return _iso(year, match[3], match[1]) if day_first else _iso(year, match[1], match[3])
        return None

    def _is_day_first(self, first: int, second: int) -> bool | None:
        if first > 12 or first == second:
            return True
        if second > 12:
            return False
        if bool(self.days_first) == bool(self.months_first):
            return None
        return self.days_first > 0


def read_direction(cell: str) -> str | None:
    """`CRDT` or `DBIT`, or None when the cell says neither."""
    return _DIRECTIONS.get(cell.casefold())


def _amount(cell: str) -> re.Match[str] | None:
    if len(cell) > _LONGEST_AMOUNT:
        return None
    match = _SIGNED.fullmatch(_NOISE.sub("", cell))
    if match is None or _DIGIT.search(match["digits"]) is None or (match["open"] is None) != (match["close"] is None):
        return None
    signs = (match["open"], match["sign"], match["after"])
    return match if signs.count(None) >= 2 else None


def _possible_marks(digits: str) -> tuple[bool, bool]:
    """Whether the digits can be read with a decimal point, and with a decimal comma."""
    if digits.isdigit():
        return False, False
    return _POINT_DECIMAL.fullmatch(digits) is not None, _COMMA_DECIMAL.fullmatch(digits) is not None


def _is_negative(match: re.Match[str]) -> bool:
    # The minus sign of typography is one as well.
    return match["open"] is not None or (match["sign"] or match["after"]) in {"-", "−"}


def _iso(year: str, month: str | int, day: str) -> str | None:
    try:
        return dt.date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return None
