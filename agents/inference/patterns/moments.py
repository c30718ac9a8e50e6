"""Recognisers of dates and times of day, in digits and in English and Chinese words."""

import datetime as dt
import re
from collections.abc import Iterator
from typing import Final

from agents.inference.patterns.recogniser import Recogniser, Span

_MONTH: Final = (
    r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|"
    r"june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
)
_CLOCK: Final = r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?(?:[ ]?[ap]\.?m\b\.?)?"
_ZONE: Final = r"(?:[ ]?(?:Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2}))?(?![A-Za-z0-9])"
_ISO: Final = re.compile(
    rf"(?<![\w.-])(?P<y>[12][0-9]{{3}})[-/.](?P<m>[0-9]{{1,2}})[-/.](?P<d>[0-9]{{1,2}})"
    rf"(?:[T ]{_CLOCK}{_ZONE})?(?![\w]|[-/.:][0-9])"
)
_NUMERIC: Final = re.compile(
    r"(?<![\w.-])(?P<a>[0-9]{1,2})([-/.])(?P<b>[0-9]{1,2})\2(?P<y>[12][0-9]{3}|[0-9]{2})(?![\w]|[-/.][0-9])"
)
_DAY_FIRST: Final = re.compile(
    rf"(?<![\w.-])(?:[0-2]?[0-9]|3[01])(?:st|nd|rd|th)?[ ](?:of[ ])?(?:{_MONTH})\b\.?(?:,?[ ][12][0-9]{{3}}\b)?",
    re.IGNORECASE,
)
_MONTH_FIRST: Final = re.compile(
    rf"\b(?:{_MONTH})\b\.?[ ](?:(?:[0-2]?[0-9]|3[01])(?:st|nd|rd|th)?\b(?:,?[ ][12][0-9]{{3}}\b)?|[12][0-9]{{3}}\b)",
    re.IGNORECASE,
)
_CHINESE: Final = re.compile(
    r"(?<![0-9])(?:[12][0-9]{3}|[〇○零一二三四五六七八九]{4})年(?:[ ]?(?:1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九])"
    r"月(?:[ ]?(?:[0-2]?[0-9]|3[01]|[一二三]?十?[一二三四五六七八九]?)[日号])?)?|"
    r"(?<![0-9年])(?:1[0-2]|0?[1-9])月(?:[0-2]?[0-9]|3[01])[日号]"
)
_WEEKDAY: Final = re.compile(
    r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|(?:星期|周)[一二三四五六日天]", re.IGNORECASE
)
_TIME: Final = re.compile(
    rf"(?<![\w.:]){_CLOCK}(?![\w:]|\.[0-9])|(?<![\w.:])(?:1[0-2]|[1-9])[ ]?[ap]\.?m\b", re.IGNORECASE
)
# A bare year has a word before it that calls for one, or stands where only a year does.
_YEAR: Final = re.compile(
    r"(?:\b(?:in|since|from|during|until|till|of|by|year|before|after|a|the|between|and)[ ]|\()"
    r"(?P<value>(?:1[5-9]|20)[0-9]{2})(?![\w%/-]|[.,:][0-9])(?![ ](?:people|men|units|items|shares|records))",
    re.IGNORECASE,
)


def _find_dates(text: str) -> Iterator[Span]:
    for match in _ISO.finditer(text):
        if _is_date(match["y"], match["m"], match["d"]):
            yield match.span()
    for match in _NUMERIC.finditer(text):
        if _is_date(match["y"], match["a"], match["b"]) or _is_date(match["y"], match["b"], match["a"]):
            yield match.span()
    for pattern in (_DAY_FIRST, _MONTH_FIRST, _CHINESE, _WEEKDAY):
        for match in pattern.finditer(text):
            yield match.span()


def _find_times(text: str) -> Iterator[Span]:
    for match in _TIME.finditer(text):
        yield match.span()
    for match in _YEAR.finditer(text):
        yield match.span("value")


def _is_date(year: str, month: str, day: str) -> bool:
    try:
        dt.date(int(year) if len(year) == 4 else 2000 + int(year), int(month), int(day))
    except ValueError:
        return False
    return True


DATES: Final = Recogniser("DATE_TIME", _find_dates)
TIMES: Final = Recogniser("DATE_TIME", _find_times)
"""Behind amounts and everything else in digits."""
