"""Recognisers of payment identifiers. Check digits and structures are python-stdnum's."""

import re
from collections.abc import Iterator
from typing import Final

from stdnum import bic, iban, lei, luhn
from stdnum.cn import uscc

from agents.inference.patterns.recogniser import Recogniser, Span
from agents.inference.patterns.windows import grouped

_IBAN_HEAD: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?=[ -]?[A-Za-z0-9])")
_LEI_HEAD: Final = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z0-9]{18}[0-9]{2}(?![A-Za-z0-9]))")
_USCC_HEAD: Final = re.compile(r"(?<![A-Za-z0-9])(?=[0-9A-HJ-NPQRTUWXY]{18}(?![A-Za-z0-9]))")
_CARD_HEAD: Final = re.compile(r"(?<![A-Za-z0-9])(?<![0-9][.,])[1-9][0-9]{3}(?=[ -]?[0-9])")
_BIC: Final = re.compile(r"(?<![A-Za-z0-9])[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?(?![A-Za-z0-9])")
_BIC_WORDS: Final = re.compile(r"\b(?:bic|swift)\b", re.IGNORECASE)
_BIC_REACH: Final = 24
_UETR: Final = re.compile(
    r"(?<![A-Za-z0-9-])[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}(?![A-Za-z0-9-])"
)
_END_TO_END: Final = re.compile(
    r"\b(?:EndToEndId|End[ -]to[ -]End[ -](?:Id(?:entification)?|Ref(?:erence)?)|E2E[ -]?ID|EREF)\b"
    r"[ ]{0,3}[:+#=>]?[ ]{0,3}"
    r"(?P<value>[A-Za-z0-9][A-Za-z0-9/?:().,'+-]{0,33}[A-Za-z0-9])(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_SORT_CODE: Final = re.compile(
    r"(?P<word>\bsort[ -]?code\b[ ]{0,3}(?:is|:|no\.?|number)?[ ]{0,3})?(?<![A-Za-z0-9-])"
    r"(?P<value>[0-9]{2}-[0-9]{2}-[0-9]{2}|[0-9]{6})(?![A-Za-z0-9-])",
    re.IGNORECASE,
)
_UK_ACCOUNT: Final = re.compile(
    r"[ ,;/]{0,3}(?:(?:and[ ]{1,2})?(?:account|acct?|a/c)\.?[ ]{0,2}"
    r"(?:number|no\.?|#)?[ ]{0,2}(?:is|:)?[ ]{0,3})?(?P<value>[0-9]{8})(?![A-Za-z0-9])",
    re.IGNORECASE,
)

# Brand by first digits and lengths: Visa, Mastercard, American Express, Diners Club, Discover, JCB, UnionPay, Maestro,
# Mir, RuPay, and the retired JCB and enRoute ranges that test data still holds.
_BRANDS: Final = (
    (re.compile(r"4"), (13, 16, 19)),
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),
    (re.compile(r"3[47]"), (15,)),
    (re.compile(r"30[0-5]|3095|36|3[89]"), (14, 16, 17, 18, 19)),
    (re.compile(r"6011|64[4-9]|65"), (16, 19)),
    (re.compile(r"35(?:2[89]|[3-8])"), (16, 17, 18, 19)),
    (re.compile(r"62|81"), (16, 17, 18, 19)),
    (re.compile(r"50|5[6-9]|6"), (12, 13, 14, 15, 16, 17, 18, 19)),
    (re.compile(r"220[0-4]"), (16, 17, 18, 19)),
    (re.compile(r"2131|1800"), (15,)),
)


def _is_iban(value: str) -> bool:
    return bool(iban.is_valid(value, check_country=False))


def _is_card(value: str) -> bool:
    branded = any(len(value) in lengths and brand.match(value) for brand, lengths in _BRANDS)
    return branded and bool(luhn.is_valid(value)) and len(set(value)) > 1


def _is_lei(value: str) -> bool:
    # Twenty digits that happen to give 1 modulo 97 are an account number more often than an LEI.
    return not value.isdigit() and bool(lei.is_valid(value))


def _is_uscc(value: str) -> bool:
    return bool(uscc.is_valid(value))


def _find_bics(text: str) -> Iterator[Span]:
    """Eight capital letters are a word as often as a BIC: one without a digit has to stand behind `BIC` or `SWIFT`."""
    for match in _BIC.finditer(text):
        value = match.group()
        if not bic.is_valid(value):
            continue
        named = _BIC_WORDS.search(text, max(0, match.start() - _BIC_REACH), match.start())
        if named or any(map(str.isdigit, value)):
            yield match.span()


def _find_named(pattern: re.Pattern[str], text: str) -> Iterator[Span]:
    for match in pattern.finditer(text):
        yield match.span("value")


def _find_sort_codes(text: str) -> Iterator[Span]:
    for code, _ in _domestic(text):
        yield code


def _find_uk_accounts(text: str) -> Iterator[Span]:
    for _, account in _domestic(text):
        if account is not None:
            yield account


def _domestic(text: str) -> Iterator[tuple[Span, Span | None]]:
    """Sort codes that are named one or stand before eight digits, with those: alone, the form is a date's too."""
    for match in _SORT_CODE.finditer(text):
        account = _UK_ACCOUNT.match(text, match.end())
        named = match.group("word") is not None
        if named or (account is not None and "-" in match.group("value")):
            yield match.span("value"), account.span("value") if account is not None else None


RECOGNISERS: Final = (
    Recogniser("IBAN_CODE", grouped(_IBAN_HEAD, 15, 34, _is_iban)),
    Recogniser("UETR", lambda text: [match.span() for match in _UETR.finditer(text)]),
    Recogniser("END_TO_END_ID", lambda text: _find_named(_END_TO_END, text)),
    Recogniser("LEI", grouped(_LEI_HEAD, 20, 20, _is_lei)),
    Recogniser("CN_CREDIT_CODE", grouped(_USCC_HEAD, 18, 18, _is_uscc)),
    Recogniser("UK_SORT_CODE", _find_sort_codes),
    Recogniser("UK_ACCOUNT_NUMBER", _find_uk_accounts),
    Recogniser("BIC", _find_bics),
)
CARDS: Final = Recogniser("CREDIT_CARD", grouped(_CARD_HEAD, 12, 19, _is_card))
"""Behind the identifiers of persons: a resident number may pass for a card."""
