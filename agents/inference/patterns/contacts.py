"""Recognisers of addresses in networks: mail, web, IP, telephone."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from agents.inference.patterns.recogniser import Recogniser, Span

# RFC 5321 bounds the local part by 64 and a name by 253: so are these, which keeps the search linear.
_EMAIL: Final = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9](?:[A-Za-z0-9._%+-]{0,63})@"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])"
)
_URL: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:https?://|www\.)[A-Za-z0-9][^\s<>\"'\u3000-\u9fff]{2,2047}", re.IGNORECASE
)
_BEHIND_URL: Final = ".,;:!?)]}'\""
_IPV4: Final = re.compile(r"(?<![A-Za-z0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![A-Za-z0-9]|\.[0-9])")
_IPV6: Final = re.compile(
    r"(?<![A-Za-z0-9:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:(?<=:)[0-9]{1,3}(?:\.[0-9]{1,3}){3})?(?![A-Za-z0-9:])"
)
_PHONE: Final = re.compile(
    r"(?<![A-Za-z0-9.,+-])(?<![0-9][ /(])[+(]?[0-9](?:[ ]?\([0-9]{1,5}\)|[ .-]?[0-9]|\)[ -]?[0-9]){5,17}"
    r"(?:[ ]?(?:x|ext\.?[ ]?)[0-9]{1,6})?(?![A-Za-z0-9]|[.,:/-][0-9])"
)
_PHONE_WORDS: Final = re.compile(
    r"\b(?:call|phone|tele?(?:phone)?|mobile|cell|fax|number|reach|contact|dial|text me|answering|registered)\b|"
    r"电话|手机|传真|致电|联系",
    re.IGNORECASE,
)
_PHONE_REACH: Final = 60
_LINES_AFTER: Final = re.compile(r"[ ]?(?:office|fax|mobile|phone|home|cell)\b", re.IGNORECASE)
_CN_MOBILE: Final = re.compile(r"(?:\+?86[ -]?)?1[3-9][0-9](?:[ -]?[0-9]{4}){2}")
_DATE: Final = re.compile(r"[12][0-9]{3}([-. ])[0-9]{1,2}\1[0-9]{1,2}|[0-9]{1,2}([-. ])[0-9]{1,2}\2[12][0-9]{3}")
_MIN_NAMED_DIGITS, _MIN_DIGITS, _MAX_DIGITS = 6, 8, 15


def _find_urls(text: str) -> Iterator[Span]:
    for match in _URL.finditer(text):
        value = match.group().rstrip(_BEHIND_URL)
        if "." in value[4:]:
            yield match.start(), match.start() + len(value)


def _find_ips(text: str) -> Iterator[Span]:
    for pattern in (_IPV4, _IPV6):
        for match in pattern.finditer(text):
            value = match.group()
            if value.strip(":") and _is_ip(value):
                yield match.span()


def _is_ip(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _find_phones(text: str) -> Iterator[Span]:
    """What is written like a number to call: with a country code or in groups, or digits behind a word that says so."""
    for match in _PHONE.finditer(text):
        value = match.group()
        main = re.split(r"[ ]?(?:x|ext)", value)[0]
        digits = sum(map(str.isdigit, main))
        if (
            not _MIN_NAMED_DIGITS <= digits <= _MAX_DIGITS
            or _DATE.fullmatch(value)
            or main.count("(") != main.count(")")
        ):
            continue
        start, end = match.span()
        named = _PHONE_WORDS.search(text, max(0, start - _PHONE_REACH), start) or _LINES_AFTER.match(text, end)
        if named or (digits >= _MIN_DIGITS and _is_called(main)):
            yield start, end


def _is_called(value: str) -> bool:
    if value[0] in "+(" or value.startswith("00") or _CN_MOBILE.fullmatch(value):
        return True
    groups = re.split(r"[ .()-]+", value)
    return 3 <= len(groups) <= 5 and all(1 < len(each) <= 5 for each in groups)


NETWORK: Final = (
    Recogniser("EMAIL_ADDRESS", lambda text: [match.span() for match in _EMAIL.finditer(text)]),
    Recogniser("DOMAIN_NAME", _find_urls),
    Recogniser("IP_ADDRESS", _find_ips),
)
PHONES: Final = Recogniser("PHONE_NUMBER", _find_phones)
