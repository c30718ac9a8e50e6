"""A text cut into sentences of a bounded length, by places in the text."""

import re
from collections.abc import Iterator
from typing import Final

LONGEST: Final = 200
"""Code points; LAC was trained on sentences, and its time and memory grow with the longest one."""

_END: Final = re.compile(r"[。！？；!?;\r\n]+[”’」』）)]*")
_PAUSE: Final = re.compile(r"[，、,：:\s]")
_HAN: Final = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence; one that is too long is cut at a pause, or where the room ends."""
    start = 0
    for match in _END.finditer(text):
        yield from _bounded(text, start, match.end())
        start = match.end()
    yield from _bounded(text, start, len(text))


def has_han(text: str, start: int = 0, end: int | None = None) -> bool:
    """Whether a Chinese character is in that part of a text."""
    return _HAN.search(text, start, len(text) if end is None else end) is not None


def _bounded(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while end - start > LONGEST:
        cut = start + LONGEST
        for at in range(cut, start + LONGEST // 2, -1):
            if _PAUSE.match(text, at - 1):
                cut = at
                break
        yield start, cut
        start = cut
    if end > start:
        yield start, end
