"""A long text's tokens in windows that overlap, so that no name is read with half of its sentence missing."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """A run of tokens that is read at once, and the part of it whose tags are kept.

    Attributes:
        start: First token.
        end: One after the last token.
        kept_from: First token whose tag is kept.
        kept_to: One after the last token whose tag is kept; there the next window's begins.
    """

    start: int
    end: int
    kept_from: int
    kept_to: int


def windows(tokens: int, longest: int, overlap: int) -> Iterator[Window]:
    """Windows over so many tokens; of two that overlap each keeps the half that is farther from its edge.

    Args:
        longest: Tokens of a window.
        overlap: Tokens that two neighbours share; less than half of `longest`.
    """
    start = kept = 0
    while start + longest < tokens:
        until = start + longest - overlap // 2
        yield Window(start, start + longest, kept, until)
        start, kept = start + longest - overlap, until
    if kept < tokens:
        yield Window(start, tokens, kept, tokens)
