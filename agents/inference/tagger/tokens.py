"""Words of a text with their places, cut into pieces of a bounded length."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

LONGEST_PIECE: Final = 256
"""Words that are tagged together; a longer text is cut, at the end of a sentence where there is one."""

LONGEST_WORD: Final = 64
_WORD: Final = re.compile(rf"[^\W\d_]{{1,{LONGEST_WORD}}}|[0-9]{{1,{LONGEST_WORD}}}|\n|[^\s]")
_ENDS: Final = frozenset(".!?。！？；\n")
_REACH: Final = LONGEST_PIECE // 2


@dataclass(frozen=True, slots=True)
class Word:
    """A run of letters or of digits, or any other character that is no space; a line's end is one too."""

    text: str
    start: int
    end: int


def pieces(text: str) -> Iterator[Sequence[Word]]:
    """The words of a text, piece by piece; none for a text without any."""
    pending: list[Word] = []
    for match in _WORD.finditer(text):
        pending.append(Word(match.group(), match.start(), match.end()))
        if len(pending) == LONGEST_PIECE:
            cut = _cut(pending)
            yield pending[:cut]
            pending = pending[cut:]
    if pending:
        yield pending


def _cut(words: Sequence[Word]) -> int:
    for at in range(len(words), len(words) - _REACH, -1):
        if words[at - 1].text in _ENDS:
            return at
    return len(words)
