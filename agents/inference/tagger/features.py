"""What the tagger sees of a word: its letters, its shape, its neighbours. No list of names.

Features are hashed: the model file then holds no word of the texts that it was trained on.
"""

import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from agents.inference.tagger.tokens import Word

BITS: Final = 20
_MASK: Final = (1 << BITS) - 1
_SHAPE_LENGTH: Final = 6


def features(words: Sequence[Word]) -> list[list[str]]:
    """The features of each word of a piece."""
    lower = [each.text.lower() for each in words]
    shapes = [_shape(each.text) for each in words]
    tight = [one.end == other.start for one, other in pairwise(words)]
    cased = "c" if any(each.text != low for each, low in zip(words, lower, strict=True)) else "l"
    return [
        [
            format(zlib.crc32(each.encode("utf-8", "surrogatepass")) & _MASK, "x")
            for each in _named(at, lower, shapes, tight, cased)
        ]
        for at in range(len(words))
    ]


def _named(at: int, lower: Sequence[str], shapes: Sequence[str], tight: Sequence[bool], cased: str) -> list[str]:
    word, shape = lower[at], shapes[at]
    named = [
        "b",
        f"w={word}",
        f"s={shape}",
        f"cs={cased}{shape}",
        f"p2={word[:2]}",
        f"p3={word[:3]}",
        f"e1={word[-1:]}",
        f"e2={word[-2:]}",
        f"e3={word[-3:]}",
        f"e4={word[-4:]}",
    ]
    for distance in (-3, -2, -1, 1, 2, 3):
        other = at + distance
        there = 0 <= other < len(lower)
        near = lower[other] if there else ("^" if distance < 0 else "$")
        named.append(f"w{distance}={near}")
        if there and abs(distance) < 3:
            named.append(f"s{distance}={shapes[other]}")
    before = lower[at - 1] if at else "^"
    after = lower[at + 1] if at + 1 < len(lower) else "$"
    named += [
        f"bw={before}|{word}",
        f"wa={word}|{after}",
        f"ba={before}|{after}",
        f"bb={lower[at - 2] if at > 1 else '^'}|{before}",
        f"aa={after}|{lower[at + 2] if at + 2 < len(lower) else '$'}",
        f"bsa={shapes[at - 1] if at else '^'}|{shape}|{shapes[at + 1] if at + 1 < len(lower) else '$'}",
    ]
    if at and tight[at - 1]:
        named.append(f"tb={before[-1:]}")
    if at < len(tight) and tight[at]:
        named.append(f"ta={after[:1]}")
    return named


def _shape(word: str) -> str:
    """`Xx` for a capitalised word, `X` for capitals, `x` for small letters, `9999` for digits, the rest as it is."""
    if word.isdecimal():
        return "9" * min(len(word), _SHAPE_LENGTH)
    if word.islower():
        return "x"
    if word.isupper():
        return "X1" if len(word) == 1 else "X"
    if word.istitle():
        return "Xx"
    return "xX" if word.isalpha() else word[:1]
