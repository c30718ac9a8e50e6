"""Made-up names of organisations: companies, banks, public bodies, brands of one word, acronyms."""

import random
from typing import Final

from sealstream.training.tagger_words import words

_COMPANY_FORMS: Final = words("company_forms")
_TRADES: Final = words("trades")
_WORDS: Final = words("brand_words")
_BEGINNINGS: Final = words("brand_beginnings")
_MIDDLES: Final = words("brand_middles")
_ENDINGS: Final = words("brand_endings")
_OFFICES: Final = words("offices")
_MATTERS: Final = words("matters")
_ACRONYM: Final = "ABCDEFGHIKLMNOPRSTUVWX"


def organization(chance: random.Random, surname: str, other: str, place: str) -> str:
    """A name, of one of many forms.

    Args:
        surname: For firms that are called after their founders, as is `other`.
        place: A town or country.
    """
    draw, kind = chance.choice, chance.random()
    if kind < 0.22:
        return _with_form(chance, brand(chance), 0.35)
    if kind < 0.40:
        return _with_form(chance, f"{draw(_WORDS)} {draw(_TRADES)}", 0.4)
    if kind < 0.48:
        return _with_form(chance, f"{brand(chance)} {draw(_TRADES)}", 0.35)
    if kind < 0.53:
        return draw(
            (
                _with_form(chance, f"{draw(_WORDS)} {draw(_WORDS)} {draw(_TRADES)}", 0.2),
                f"{draw(_TRADES)} {draw(('and', 'And', '&'))} {draw(_TRADES)}",
                f"The {draw(_WORDS)} {draw(_TRADES)}",
                f"{draw(_WORDS)}{draw(_WORDS)}",
            )
        )
    if kind < 0.58:
        return _with_form(chance, draw(_WORDS) if chance.random() < 0.4 else f"{draw(_WORDS)} {draw(_WORDS)}", 0.2)
    if kind < 0.65:
        return draw(
            (
                f"{surname}-{other}",
                f"{surname} and {other}",
                f"{surname} & {other}",
                f"{surname}, {other} and {draw(_WORDS)}",
            )
        )
    if kind < 0.75:
        return f"{surname} {draw(_COMPANY_FORMS)}"
    if kind < 0.81:
        return draw(
            (
                f"{surname} {draw(_TRADES)}",
                f"{surname} & {draw(('Sons', 'Co', 'Partners', 'Daughters', 'Cie', 'Söhne'))}",
                f"{surname}'s",
            )
        )
    if kind < 0.88:
        return _with_form(chance, "".join(chance.choices(_ACRONYM, k=chance.randint(2, 5))), 0.3)
    if kind < 0.94:
        return draw(
            (
                f"{place} {draw(_TRADES)}",
                f"Bank of {place}",
                f"{draw(_TRADES)} of {place}",
                f"{draw(_WORDS)} {place}",
                f"{place} {draw(_WORDS)} {draw(_TRADES)}",
            )
        )
    if kind < 0.96:
        return draw(_OFFICES).format(draw(_MATTERS))
    if kind < 0.98:
        return ".".join(chance.choices(_ACRONYM, k=chance.randint(2, 3))) + "."
    return f"{brand(chance)}{draw(('.com', '.io', '!', ' 24', '360', ' One'))}"


def brand(chance: random.Random) -> str:
    """One word."""
    draw = chance.choice
    if chance.random() < 0.3:
        return draw(_WORDS) + draw(_WORDS).lower() if chance.random() < 0.6 else draw(_WORDS) + draw(_ENDINGS)
    middle = draw(_MIDDLES) if chance.random() < 0.4 else ""
    brand = draw(_BEGINNINGS) + middle + draw(_ENDINGS)
    return brand.upper() if chance.random() < 0.06 else brand


def _with_form(chance: random.Random, name: str, share: float) -> str:
    return f"{name} {chance.choice(_COMPANY_FORMS)}" if chance.random() < share else name
