"""Recognisers of what identifies or describes a person: national numbers, licences, postal codes, titles, ages."""

import re
from collections.abc import Iterator
from typing import Final

from stdnum.cn import ric
from stdnum.us import ssn

from agents.inference.patterns.recogniser import Recogniser, Span

_RESIDENT: Final = re.compile(r"(?<![A-Za-z0-9])[1-9][0-9]{16}[0-9Xx](?![A-Za-z0-9])")
_SSN: Final = re.compile(r"(?<![A-Za-z0-9-])[0-9]{3}([- ])[0-9]{2}\1[0-9]{4}(?![A-Za-z0-9-])")
_BARE_SSN: Final = re.compile(
    r"\b(?:ssn|social security(?: number| no\.?)?)\b[ ]{0,3}(?:is|:|#)?[ ]{0,3}(?P<value>[0-9]{9})(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_LICENCE: Final = re.compile(
    r"\bdriv(?:er'?s?|ing)'?[ ](?:licen[sc]e|permit)(?:[ ](?:number|no\.?|#|id))?[ ]{0,3}(?:is|:)?[ ]{0,3}"
    r"(?P<value>(?=[A-Za-z0-9-]{0,5}[0-9]{2})[A-Za-z0-9](?:[A-Za-z0-9-]{3,18})[A-Za-z0-9])(?![A-Za-z0-9-])",
    re.IGNORECASE,
)
_NAMED_POSTCODE: Final = re.compile(
    r"\b(?:zip(?:[ ]?code)?|post(?:al)?[ ]?code)\b[ ]{0,3}(?:is|was|:|=)?[ ]{0,3}"
    r"(?P<value>(?=[A-Za-z -]{0,3}[0-9])[A-Za-z0-9]{1,6}"
    r"(?:[ -](?:[0-9][A-Za-z0-9]{0,4}|[A-Z]{2}(?![A-Za-z])))?)(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_STATES: Final = (
    "A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]"
)
_US_ZIP: Final = re.compile(rf"\b(?:{_STATES}),?[ ]{{1,2}}(?P<value>[0-9]{{5}}(?:-[0-9]{{4}})?)(?![A-Za-z0-9-])")
_UK_POSTCODE: Final = re.compile(r"(?<![A-Za-z0-9])[A-Z]{1,2}[0-9][A-Z0-9]?[ ][0-9][ABD-HJLNP-UW-Z]{2}(?![A-Za-z0-9])")
_CA_POSTCODE: Final = re.compile(
    r"(?<![A-Za-z0-9])[ABCEGHJ-NPRSTVXY][0-9][ABCEGHJ-NPRSTV-Z][ ][0-9][ABCEGHJ-NPRSTV-Z][0-9](?![A-Za-z0-9])"
)
_CN_POSTCODE: Final = re.compile(r"邮政?编码?[ ]?(?:为|是|:)?[ ]?(?P<value>[0-9]{6})(?![0-9])")
_TITLE: Final = re.compile(
    r"(?<![\w-])(?:Mr|Mrs|Ms|Miss|Dr|Prof)(?:\.(?!\w)|(?=[ ][A-Z]))|(?<![\w-])(?:mr|mrs|ms|dr|prof)\.(?=[ ]?\w)"
)
_CN_TITLE: Final = re.compile(r"(?<=[\u4e00-\u9fff])(?:先生|女士|小姐|博士|教授|经理|主任|处长|局长|董事长|总监)")
_YEARS: Final = r"(?P<value>(?:1[01]|[1-9])?[0-9])"
_AGES: Final = (
    re.compile(rf"(?<![\w.,-]){_YEARS}(?=[ -]?(?:years?|yrs?|y\.?o\.?)[ -]?(?:olds?\b|of age\b))", re.IGNORECASE),
    re.compile(rf"(?<![\w.,-]){_YEARS}(?=[ ]?y\.?/?o\b)", re.IGNORECASE),
    re.compile(
        rf"\b(?:age|aged|aged?[ ]of|age:|turned|turning|turn|turns)[ ]{{1,2}}{_YEARS}(?![\w%/-]|[.,:][0-9])",
        re.IGNORECASE,
    ),
    re.compile(rf"\b(?:when|while)[ ](?:he|she|they|I)[ ](?:was|were)[ ]{_YEARS}(?![\w%/-]|[.,:][0-9])", re.IGNORECASE),
    re.compile(
        rf"\b(?:I'm|I[ ]am|he[ ]is|she[ ]is|he's|she's)[ ]{_YEARS}(?=[ ]?[.,;!?](?![0-9])|$|[ ]and\b)", re.IGNORECASE
    ),
    re.compile(rf"(?<![0-9.]){_YEARS}(?=[ ]?(?:周?岁))"),
)


def _find_residents(text: str) -> Iterator[Span]:
    for match in _RESIDENT.finditer(text):
        if ric.is_valid(match.group()):
            yield match.span()


def _find_ssns(text: str) -> Iterator[Span]:
    for match in _SSN.finditer(text):
        if _is_ssn(match.group().replace(" ", "-")):
            yield match.span()
    for match in _BARE_SSN.finditer(text):
        if _is_ssn(match.group("value")):
            yield match.span("value")


def _is_ssn(value: str) -> bool:
    """As issued since 2011: any area but 000, 666 and 9xx."""
    return bool(ssn.is_valid(value))


def _find_postcodes(text: str) -> Iterator[Span]:
    for named in (_NAMED_POSTCODE, _US_ZIP, _CN_POSTCODE):
        for match in named.finditer(text):
            yield match.span("value")
    for formed in (_UK_POSTCODE, _CA_POSTCODE):
        for match in formed.finditer(text):
            yield match.span()


def _find_titles(text: str) -> Iterator[Span]:
    for pattern in (_TITLE, _CN_TITLE):
        for match in pattern.finditer(text):
            yield match.span()


def _find_ages(text: str) -> Iterator[Span]:
    for pattern in _AGES:
        for match in pattern.finditer(text):
            yield match.span("value")


NUMBERS: Final = (
    Recogniser("CN_RESIDENT_ID", _find_residents),
    Recogniser("US_SSN", _find_ssns),
    Recogniser("US_DRIVER_LICENSE", lambda text: [match.span("value") for match in _LICENCE.finditer(text)]),
)
DESCRIPTIONS: Final = (
    Recogniser("ZIP_CODE", _find_postcodes),
    Recogniser("AGE", _find_ages),
    Recogniser("TITLE", _find_titles),
)
