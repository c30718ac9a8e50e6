"""Words' tags (IOB2) and the spans that they mean."""

from collections.abc import Iterator, Sequence
from typing import Final

from agents.inference.extraction_scores import Label

OUTSIDE: Final = 0


def tag_count(kinds: Sequence[str]) -> int:
    """Tags of so many kinds: none, then for each kind the one that begins a value and the one that goes on with it."""
    return 1 + 2 * len(kinds)


def to_tags(words: Sequence[tuple[int, int]], spans: Sequence[Label], kinds: Sequence[str]) -> list[int]:
    """The tag of each word, given by its start and end; one that a span covers in part belongs to it."""
    tags = [OUTSIDE] * len(words)
    for span in spans:
        if span.kind not in kinds:
            continue
        begins = 1 + 2 * kinds.index(span.kind)
        tag = begins
        for at, (start, end) in enumerate(words):
            if start < span.end and span.start < end:
                tags[at] = tag
                tag = begins + 1
    return tags


def to_runs(tags: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Place of the kind, first word, and one after the last word, of each value; what goes on with none begins one."""
    start = kind = -1
    for at, tag in enumerate([*tags, OUTSIDE]):
        goes_on = tag != OUTSIDE and tag % 2 == 0 and (tag - 1) // 2 == kind
        if kind >= 0 and not goes_on:
            yield kind, start, at
            kind = -1
        if tag != OUTSIDE and kind < 0:
            start, kind = at, (tag - 1) // 2
