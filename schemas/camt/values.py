"""Texts of camt leaf elements become Python values: the simple types of the standard, checked.

A text that breaks its type is a `BadValueError`, whose words never quote the text. What elements may hold which type is
`schemas.camt.layout`.
"""

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from lxml import etree

from schemas.amounts import MAX_DIGITS, MAX_FRACTION_DIGITS, parse_amount, parse_currency
from schemas.errors import Rejection


class BadValueError(Exception):
    """The text of one element is not of its type; says what was wanted."""


class Money(NamedTuple):
    """An amount with its currency; never negative."""

    amount: Decimal
    currency: str


Reader = Callable[[etree._Element], object]

# Whitespace between tags of a leaf is XML Schema's, not Unicode's: a no-break space belongs to the text.
_BLANKS = " \t\r\n"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LINE_BREAK = re.compile(r"[\t\r\n]")
_BLANK_RUN = re.compile(r"[ \t\r\n]+")
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))?"
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})" + _ZONE)
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T"
    r"(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?|(24):00:00(?:\.0+)?)" + _ZONE
)
# An XML Schema decimal that is not negative, in any spelling.
_DECIMAL = re.compile(r"(?:\+|-(?=[0.]*\Z))?([0-9]*)(?:\.([0-9]*))?")

# No form below is longer; the bound keeps hostile texts of megabytes away from the expressions.
_LONGEST_PATTERN = 64
_PATTERNS = {
    "bic": re.compile(r"[A-Z]{6}[A-Z2-9][A-NP-Z0-9](?:[A-Z0-9]{3})?"),
    "bic2014": re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?"),
    "country": re.compile(r"[A-Z]{2}"),
    "currency": re.compile(r"[A-Z]{3}"),
    "digits5": re.compile(r"[0-9]{1,5}"),
    "digits15": re.compile(r"[0-9]{1,15}"),
    "iban2003": re.compile(r"[a-zA-Z]{2}[0-9]{2}[a-zA-Z0-9]{1,30}"),
    "iban": re.compile(r"[A-Z]{2}[0-9]{2}[a-zA-Z0-9]{1,30}"),
    "lei": re.compile(r"[A-Z0-9]{18}[0-9]{2}"),
    "uetr": re.compile(r"[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}"),
    "whole": re.compile(r"\s*[+-]?0*[0-9]{1,18}(?:\.0*)?\s*", re.ASCII),
}
_CODES = {
    "balance": frozenset(("XPCD", "OPAV", "ITAV", "CLAV", "FWAV", "CLBD", "ITBD", "OPBD", "PRCD", "INFO")),
    "copy": frozenset(("CODU", "COPY", "DUPL")),
    "sign": frozenset(("CRDT", "DBIT")),
    "status": frozenset(("BOOK", "PDNG", "INFO")),
}
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def reader_of(kind: str) -> Reader:
    """The reader of a leaf kind named in the layout, for example `text35`, `amount` or `sign`."""
    if kind in _PATTERNS:
        return _pattern_reader(kind, _PATTERNS[kind])
    if kind in _CODES:
        return _code_reader(_CODES[kind])
    if kind.startswith("text"):
        return _text_reader(int(kind[4:]))
    return {"amount": read_money, "date": read_date, "time": read_day_of_time, "flag": read_flag}[kind]


def read_money(element: etree._Element) -> Money:
    """Read an amount and its `Ccy`; `.5`, `5.`, `+5`, `-0` and surrounding blanks are XML Schema decimals too."""
    text = _plainly((element.text or "").strip(_BLANKS))
    try:
        return Money(parse_amount(text, "amount"), parse_currency(element.get("Ccy") or "", "Ccy"))
    except Rejection as exc:
        raise BadValueError(exc.detail) from exc


def _plainly(text: str) -> str:
    """The decimal as `parse_amount` takes it; a text that is none as it stands."""
    decimal = _DECIMAL.fullmatch(text)
    if decimal is None:
        return text
    whole, fraction = decimal.groups("")
    if not whole and not fraction:
        return text
    # Zeros at the end are none of a decimal's digits: they stay as written, but for those there is no room for.
    room = min(MAX_FRACTION_DIGITS, MAX_DIGITS - len(whole.lstrip("0")))
    fraction = fraction[: max(len(fraction.rstrip("0")), room)]
    return f"{whole or '0'}.{fraction}" if fraction else whole or "0"


def read_date(element: etree._Element) -> dt.date:
    """Read a calendar day; a time zone beside it is dropped, the day stays the bank's."""
    match = _DATE.fullmatch((element.text or "").strip(_BLANKS))
    if match is None:
        raise BadValueError("not a date")
    return _day(*match.groups())


def read_day_of_time(element: etree._Element) -> dt.date:
    """Read the calendar day of a date and time, as written: the bank's own day, not UTC's."""
    match = _TIME.fullmatch((element.text or "").strip(_BLANKS))
    if match is None:
        raise BadValueError("not a date and time")
    year, month, day, midnight = match.groups()
    written = _day(year, month, day)
    if midnight is None:
        return written
    try:
        return written + dt.timedelta(days=1)
    except OverflowError as exc:
        raise BadValueError("not a date and time") from exc


def _day(year: str, month: str, day: str) -> dt.date:
    try:
        return dt.date(int(year), int(month), int(day))
    except ValueError as exc:
        raise BadValueError("not a day of the calendar") from exc


def read_flag(element: etree._Element) -> bool:
    """Read an XML Schema boolean."""
    try:
        return _FLAGS[(element.text or "").strip(_BLANKS)]
    except KeyError as exc:
        raise BadValueError("neither true nor false") from exc


def _text_reader(longest: int) -> Reader:
    def read(element: etree._Element) -> str | None:
        text = element.text
        # Lengths count blanks, as the standard's facets do; None stands for a text of blanks alone.
        if not text or len(text) > longest:
            raise BadValueError(f"not a text of 1 to {longest} characters")
        if text.isprintable():
            return text.strip(_BLANKS) or None
        if _CONTROL.search(text) is not None:
            raise BadValueError("holds a control character")
        if _LINE_BREAK.search(text) is not None:
            text = _BLANK_RUN.sub(" ", text)
        return text.strip(_BLANKS) or None

    return read


def _pattern_reader(kind: str, pattern: re.Pattern[str]) -> Reader:
    def read(element: etree._Element) -> str:
        text = element.text or ""
        if len(text) > _LONGEST_PATTERN or pattern.fullmatch(text) is None:
            raise BadValueError(f"not of the form of {kind}")
        return text

    return read


def _code_reader(codes: frozenset[str]) -> Reader:
    def read(element: etree._Element) -> str:
        text = element.text or ""
        if text not in codes:
            raise BadValueError("not a code of its list")
        return text

    return read
