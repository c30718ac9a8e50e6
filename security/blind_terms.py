"""Blind terms: what a searchable field leaves in the clear so that equal values can be found without opening any.

A term is HMAC-SHA-256 of the normalised value, truncated to 8 bytes, under a key of its own for each tenant and field.
Known leakage, the same as that of deterministic encryption: who reads the table sees which records of a tenant have the
same value in a field, and how often, which gives away very common values; who may also insert records can test guesses.
Terms of two tenants or two fields can't be compared. Hence only fields up to tier 3, and only where a search needs it.

Amounts only by bucket, and only where a tenant's catalogue asks for it. There are so few buckets, and amounts spread so
unevenly over them, that counting terms tells which is which: take the bucket itself, an amount's length and, with
`leading_digit`, its first digit, as known to who reads the table. The digits below stay hidden.

Index keys have versions (streams.storage.index_keys); rotating one is agents.upkeep.reindexing.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from schemas.catalogue import SearchKind
from security.hmac_sha256 import Mac, keyed
from security.key_provider import KeyProvider

TERM_BYTES: Final = 8
_FIRST: Final[Mapping[tuple[str, str], int]] = MappingProxyType({})

_ABSENT_REFERENCES: Final = frozenset({"NOTPROVIDED", "NONREF"})
"""What ISO 20022 and MT messages write for "no reference": half of all records would share its term."""

# Tables over bytes: for text in ASCII they take a fraction of the time of tables over characters.
_ASCII: Final = [chr(code) for code in range(128)]
_PUNCTUATION: Final = "".join([c for c in _ASCII if not c.isalnum() and not c.isspace()]).encode()
_ACCOUNT_FILLERS: Final = "".join([c for c in _ASCII if not c.isprintable() or c in " -"]).encode()
_LOWER: Final = bytes(range(256)).lower()
_UPPER: Final = bytes(range(256)).upper()
# Spaces between ideographs are layout: a name of two characters is often set apart to the width of three.
_IDEOGRAPH: Final = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_SPACE_WITHIN_IDEOGRAPHS: Final = re.compile(f"(?<=[{_IDEOGRAPH}]) (?=[{_IDEOGRAPH}])")
# ASCII digits alone; Decimal takes those of other scripts, underscores and NaN. An exponent is JSON's.
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_MAX_ROUNDS: Final = 4
_MAX_TEXT: Final = 1024
"""Characters looked at; longer texts that begin alike share a term, and none takes long to fold."""


def index_key_name(field: str, version: int) -> str:
    """The provider's name of a field's index key: the field for the first, version 0; then with the version.

    No field of the catalogue holds the character between the two: PostgreSQL stores none that do.
    """
    return field if version == 0 else f"{field}\0{version}"


class BlindIndex:
    """Makes blind terms; keeps the index keys it has used.

    Args:
        versions: The version of a tenant's and field's index key, where that is not the first.
    """

    def __init__(self, provider: KeyProvider, versions: Mapping[tuple[str, str], int] = _FIRST) -> None:
        self._provider = provider
        self._versions = versions
        self._macs: dict[tuple[str, str], Mac] = {}

    def term(self, tenant: str, field: str, kind: SearchKind, value: str) -> bytes | None:
        """Make the term of a value, the same for stored values and for searched ones.

        Args:
            tenant: The record's tenant.
            field: A searchable field of the catalogue.
            kind: How the catalogue says it is searched.
            value: As it stands in the record, or as somebody typed it.

        Returns:
            8 bytes; None when nothing is left of the value to search for.
        """
        normalised = _NORMALISERS[kind](value[:_MAX_TEXT])
        if not normalised:
            return None
        mac = self._macs.get((tenant, field))
        if mac is None:
            name = index_key_name(field, self._versions.get((tenant, field), 0))
            mac = self._macs[tenant, field] = keyed(self._provider.index_key(tenant, name))
        return mac(normalised.encode("utf-8", "surrogatepass"))[:TERM_BYTES]


def normalise(kind: SearchKind, text: str) -> str | None:
    """Bring the spellings of one value to one form; None when nothing is left to search for.

    Account: no spaces and dashes, upper case. Name: NFKC, case folded, no punctuation, single spaces, none between
    ideographs; simplified and traditional characters stay different. Reference: no space around it; the words that
    stand for "no reference" are none. Magnitude and leading digit: the bucket's lowest amount, such as `1e3` and `4e3`
    for 4500.00; the sign is left out, and what is no number has none.
    """
    return _NORMALISERS[kind](text[:_MAX_TEXT]) or None


def _account(text: str) -> str:
    if text.isascii():
        return text.encode().translate(_UPPER, _ACCOUNT_FILLERS).decode()
    return _settled(_account_round, text, str.upper)


def _account_round(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).upper()
    return "".join(
        [c for c in folded if c.isalnum() or not (c.isspace() or unicodedata.category(c) in ("Pd", "Cf", "Cc"))]
    )


def _name(text: str) -> str:
    if text.isascii():
        return " ".join(text.encode().translate(_LOWER, _PUNCTUATION).decode().split())
    return _settled(_name_round, text, str.casefold)


def _name_round(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = folded.split()
    if not all(map(str.isalnum, words)):
        # Marks (M) stay: in many scripts they are the vowels. Punctuation, symbols, controls and format characters go.
        kept = "".join([c for c in folded if c.isalnum() or c.isspace() or unicodedata.category(c)[0] not in "PSC"])
        words = kept.split()
    return _SPACE_WITHIN_IDEOGRAPHS.sub("", " ".join(words)) if len(words) > 1 else "".join(words)


def _reference(text: str) -> str:
    reference = text.strip()
    return "" if reference.upper() in _ABSENT_REFERENCES else reference


def _magnitude(text: str) -> str:
    number = _number(text)
    return "" if number is None else f"1e{number.adjusted()}" if number else "0"


def _leading_digit(text: str) -> str:
    number = _number(text)
    return "" if number is None else f"{number.as_tuple().digits[0]}e{number.adjusted()}" if number else "0"


def _number(text: str) -> Decimal | None:
    stripped = text.strip()
    return Decimal(stripped) if _NUMBER.fullmatch(stripped) else None


def _settled(round_: Callable[[str], str], text: str, case: Callable[[str], str]) -> str:
    # Folding may undo normal form and the other way round; two rounds settle all but contrived texts.
    for _ in range(_MAX_ROUNDS):
        before, text = text, round_(text)
        # A round changes nothing in a text that it made, but by folding and normal form: then this was the last one.
        if text == before or (unicodedata.is_normalized("NFKC", text) and case(text) == text):
            break
    return text


_NORMALISERS: Final[Mapping[SearchKind, Callable[[str], str]]] = {
    SearchKind.ACCOUNT: _account,
    SearchKind.NAME: _name,
    SearchKind.REFERENCE: _reference,
    SearchKind.MAGNITUDE: _magnitude,
    SearchKind.LEADING_DIGIT: _leading_digit,
}
