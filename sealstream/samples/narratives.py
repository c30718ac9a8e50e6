"""Made-up bank entries of a known kind: text, amount, sign and bank transaction code.

The words are in `bank_wordings` and `remittance_wordings`; learning from them is `sealstream.training`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Literal

from sealstream.samples.bank_wordings import BANK_WORDINGS, Wordings
from sealstream.samples.kind_shapes import SHAPES, Shape
from sealstream.samples.parties import Party, language_of
from sealstream.samples.remittance_wordings import (
    CITIES,
    FREE_WORDS,
    LABELS,
    MONTHS,
    PARTY_LABELS_IN,
    PARTY_LABELS_OUT,
    REMITTANCE_WORDINGS,
    SHOPS,
    SYLLABLES,
)

KINDS: tuple[str, ...] = (
    "credit_transfer_in",
    "credit_transfer_out",
    "direct_debit",
    "standing_order",
    "card_payment",
    "cash_withdrawal",
    "cash_deposit",
    "cheque",
    "fee",
    "interest",
    "salary",
    "tax",
    "return",
    "other",
)
_KIND_WEIGHTS = (30, 30, 9, 2, 8, 3, 3, 3, 5, 3, 3, 3, 5, 3)


@dataclass(frozen=True, slots=True)
class Narrative:
    """What one entry says about itself.

    Attributes:
        kind: One of `KINDS`.
        text: Up to 280 characters, or empty: many real entries carry no text.
        amount: Positive, two decimals.
        credit_debit: Seen from the account's owner.
        bank_transaction_code: `DOMAIN-FAMILY-SUBFAMILY` of ISO 20022 that means this kind.
    """

    kind: str
    text: str
    amount: Decimal
    credit_debit: Literal["CRDT", "DBIT"]
    bank_transaction_code: str


_LONGEST_TEXT = 280
_GAP = re.compile(r"\{(\w+)\}")
_ROUND_STEPS = (Decimal(1), Decimal(1), Decimal(5), Decimal(10), Decimal(50), Decimal(100))
_RETURN_CODES = ("AC01", "AC04", "AC06", "AM04", "MD01", "MD06", "MS03", "RC01", "R01", "R03", "BE04")
_SEPARATORS = (" ", " ", " ", ", ", " / ", "; ", " - ", "\n")
_TRANSLITERATION = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "AE", "Ö": "OE", "Ü": "UE"})


def make_narrative(
    rng: Random, counterparty: Party, kind: str | None = None, bank_wordings: Wordings = BANK_WORDINGS
) -> Narrative:
    """Make one entry in the language of the counterparty's country, sometimes in English.

    Args:
        rng: Source of every choice; the same state gives the same narrative.
        counterparty: The other side of the payment; its script decides the script of the text.
        kind: One of `KINDS`; drawn by how often kinds occur on accounts when not given.
        bank_wordings: The banks' phrases; training holds some back to measure on wording it has not seen.

    Raises:
        KeyError: `kind` is not one of `KINDS`.
    """
    if kind is None:
        kind = rng.choices(KINDS, _KIND_WEIGHTS)[0]
    shape = SHAPES[kind]
    credit = rng.random() < shape.credit_share
    language = language_of(counterparty)
    if language != "zh" and rng.random() < 0.25:
        language = "en"
    text = "" if rng.random() < shape.empty_share else _text(rng, kind, shape, language, counterparty, bank_wordings)
    codes = shape.codes[0] if credit else shape.codes[1]
    return Narrative(kind, text, _amount(rng, shape), "CRDT" if credit else "DBIT", rng.choice(codes))


def _amount(rng: Random, shape: Shape) -> Decimal:
    value = Decimal(max(0.01, shape.median * rng.lognormvariate(0.0, shape.spread))).quantize(Decimal("0.01"))
    step = shape.step
    if step is None and rng.random() < 0.3:
        step = rng.choice(_ROUND_STEPS)
    if step is None or rng.random() < 0.1:
        return value
    return max(value // step, Decimal(1)) * step + Decimal("0.00")


def _text(rng: Random, kind: str, shape: Shape, language: str, party: Party, bank_wordings: Wordings) -> str:
    remittance = REMITTANCE_WORDINGS.get(kind, {}).get(language, ())
    phrases = bank_wordings[kind].get(language) or bank_wordings[kind]["en"]
    parts = []
    # Payments carry either side's words or both; what the bank books itself has only the bank's.
    if not remittance or rng.random() < shape.bank_share:
        parts.append(rng.choice(phrases))
    if remittance and (not parts or rng.random() < 0.55):
        # A transfer may be for anything; the other kinds are talked about in fewer words.
        anything = kind.startswith("credit_transfer") or kind == "return"
        parts.append("{words}" if anything and rng.random() < 0.5 else rng.choice(remittance))
    if kind.startswith("credit_transfer") and rng.random() < 0.2:
        parts.append(rng.choice(PARTY_LABELS_IN if kind.endswith("in") else PARTY_LABELS_OUT))
    if rng.random() < 0.2:
        parts.append(rng.choice(("{ref}", "{num}", "{date}", "NOTPROVIDED")))
    parts.extend(rng.choice(LABELS) for _ in range(rng.choice((0, 0, 0, 0, 1, 2, 3))))
    if rng.random() < 0.15:
        rng.shuffle(parts)
    template = rng.choice(_SEPARATORS).join(parts)
    text = _GAP.sub(lambda gap: _filling(rng, gap[1], language, party), template)
    return _worn(rng, text)[:_LONGEST_TEXT]


def _worn(rng: Random, text: str) -> str:
    """What mainframes do to text: capitals, umlauts spelled out, a line cut at its fixed width."""
    draw = rng.random()
    if draw < 0.25:
        text = text.upper()
    elif draw < 0.33:
        text = text.lower()
    if rng.random() < 0.3:
        text = text.translate(_TRANSLITERATION)
    draw = rng.random()
    if draw < 0.04:
        return text[:27].rstrip()
    return _folded(text, rng.choice((27, 32, 35))) if draw < 0.16 else text


def _folded(text: str, width: int) -> str:
    """Text broken into lines of a fixed width, through the middle of words, and joined again."""
    return " ".join(text[i : i + width] for i in range(0, len(text), width))


def _filling(rng: Random, gap: str, language: str, party: Party) -> str:
    if gap in ("name", "iban", "bic"):
        return str(getattr(party, gap))
    return _FILLINGS[gap](rng, language)


def _reference(rng: Random, language: str) -> str:
    digits = "".join(rng.choices("0123456789", k=rng.choice((4, 5, 6, 8, 10))))
    return rng.choice(("", "", "", "A", "R-", "2024-", "RF18", "M", "No. ")) + digits


def _number(rng: Random, language: str) -> str:
    return "".join(rng.choices("0123456789", k=rng.randint(3, 12)))


def _words(rng: Random, language: str) -> str:
    """Free text: known words of any language and invented ones."""
    words = []
    for _ in range(rng.randint(1, 5)):
        invented = rng.random() < 0.5
        words.append("".join(rng.choices(SYLLABLES, k=rng.randint(2, 4))) if invented else rng.choice(FREE_WORDS))
    return " ".join(words)


def _date(rng: Random, language: str) -> str:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(2019, 2026)
    style = rng.choice(("{d:02}.{m:02}.{y}", "{d:02}/{m:02}/{y}", "{y}-{m:02}-{d:02}", "{d:02}{m:02}", "{d:02}.{m:02}"))
    return style.format(d=day, m=month, y=year)


_FILLINGS: Mapping[str, Callable[[Random, str], str]] = {
    "ref": _reference,
    "words": _words,
    "num": _number,
    "date": _date,
    "month": lambda rng, language: rng.choice(MONTHS[language]),
    "year": lambda rng, language: str(rng.randint(2019, 2026)),
    "shop": lambda rng, language: rng.choice(SHOPS[language]),
    "city": lambda rng, language: rng.choice(CITIES[language]),
    "card": lambda rng, language: rng.choice(("****", "XXXX", "x", "****-")) + f"{rng.randint(0, 9999):04}",
    "code": lambda rng, language: rng.choice(_RETURN_CODES),
}
