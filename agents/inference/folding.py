"""A text as recognisers read it: compatibility forms folded, invisible characters left out, each place traceable.

Forms are folded one code point at a time (NFKC, and decimal digits of any script to ASCII), so that a span of the
folded text names a span of the text as it came: the value as it stands there, with whatever invisible characters lie
inside it. Composition across code points changes no identifier and is left alone.
"""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_DASHES = dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-")
_QUOTES = {"\u2019": "'", "\u2018": "'"}


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text.

    Attributes:
        places: For each code point of `text` the one of the original that it came from; None when they are the same.
    """

    text: str
    places: tuple[int, ...] | None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original that a span of the folded text, not an empty one, came from."""
        if self.places is None:
            return start, end
        return self.places[start], self.places[end - 1] + 1


def fold(text: str) -> Folded:
    """Fold a text; linear in its length, which grows at most eighteenfold (U+FDFA)."""
    if text.isascii():
        return Folded(text, None)
    folded = [_folded(each) for each in text]
    whole = "".join(folded)
    if len(whole) == len(text) and all(map(_is_one, folded)):
        return Folded(whole, None)
    places = [place for place, each in enumerate(folded) for _ in each]
    return Folded(whole, tuple(places))


def _is_one(each: str) -> bool:
    return len(each) == 1


@lru_cache(maxsize=65_536)
def _folded(each: str) -> str:
    if each in _DASHES:
        return _DASHES[each]
    if each in _QUOTES:
        return _QUOTES[each]
    category = unicodedata.category(each)
    # Zero-width spaces and joiners, bidirectional marks, soft hyphens, the byte order mark.
    if category == "Cf":
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(each))
    return unicodedata.normalize("NFKC", each)
