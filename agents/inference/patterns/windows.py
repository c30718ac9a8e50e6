"""Values written in groups: where one may end when its length is not known beforehand."""

import re
from collections.abc import Callable, Iterator

from agents.inference.patterns.recogniser import Span


def grouped(
    heads: re.Pattern[str], shortest: int, longest: int, valid: Callable[[str], bool], separators: str = " -"
) -> Callable[[str], Iterator[Span]]:
    """A finder of values of letters and digits, in groups or not, that `valid` accepts without their separators.

    A value begins where `heads` matches and ends at the end of a word; of several ends the last one that is valid
    counts. Each beginning costs at most `longest` steps and as many checks as words end within them.
    """

    def find(text: str) -> Iterator[Span]:
        free = 0
        for head in heads.finditer(text):
            start = head.start()
            if start < free:
                continue
            end = _last_valid(text, start, shortest, longest, valid, separators)
            if end:
                free = end
                yield start, end

    return find


def _last_valid(
    text: str, start: int, shortest: int, longest: int, valid: Callable[[str], bool], separators: str
) -> int:
    value: list[str] = []
    ends: list[tuple[int, int]] = []
    at, length = start, len(text)
    while at < length and len(value) <= longest:
        each = text[at]
        if _is_word(each):
            value.append(each)
            at += 1
            if len(value) >= shortest and (at == length or not _is_word(text[at])):
                ends.append((at, len(value)))
        elif each in separators and at + 1 < length and _is_word(text[at + 1]):
            at += 1
        else:
            break
    for end, count in reversed(ends):
        if count <= longest and valid("".join(value[:count])):
            return end
    return 0


def _is_word(each: str) -> bool:
    return each.isascii() and each.isalnum()
