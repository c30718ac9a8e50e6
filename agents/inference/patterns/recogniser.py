"""What a recogniser is, what it finds, and how the finds of several are made one list without overlaps."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

Span = tuple[int, int]
"""First code point of the folded text, and one after the last."""


@dataclass(frozen=True, slots=True)
class Recogniser:
    """Finds values of one kind.

    Attributes:
        kind: The label.
        find: Gives spans of a folded text; takes time linear in its length, whatever the text is.
    """

    kind: str
    find: Callable[[str], Iterable[Span]]


@dataclass(frozen=True, slots=True)
class Found:
    """A value found in a folded text.

    Attributes:
        rank: Place of its recogniser in the list: of two that overlap the smaller one wins.
    """

    kind: str
    start: int
    end: int
    rank: int


def find_all(text: str, recognisers: Iterable[Recogniser]) -> Iterator[Found]:
    """What each recogniser finds, overlaps included."""
    for rank, each in enumerate(recognisers):
        for start, end in each.find(text):
            yield Found(each.kind, start, end, rank)


def without_overlaps(found: Iterable[Found]) -> list[Found]:
    """The better of each two that overlap, in the order of the text.

    A recogniser that stands earlier in its list is better, of one recogniser the longer value, then the one in front.
    """
    kept: list[Found] = []
    in_order = sorted(found, key=lambda each: (each.rank, each.start))
    # A recogniser's finds are merged at once: an insertion for each would be quadratic.
    for _, group in groupby(in_order, key=lambda each: each.rank):
        starts = [each.start for each in kept]
        kept += _longest([each for each in group if _is_free(kept, starts, each)])
        kept.sort(key=lambda each: each.start)
    return kept


def _is_free(kept: Sequence[Found], starts: Sequence[int], each: Found) -> bool:
    at = bisect_right(starts, each.start)
    before = at == 0 or kept[at - 1].end <= each.start
    return before and (at == len(kept) or kept[at].start >= each.end)


def _longest(found: Sequence[Found]) -> list[Found]:
    """Of one recogniser's finds, in order, that overlap: the longest."""
    chosen: list[Found] = []
    for each in found:
        if not chosen or chosen[-1].end <= each.start:
            chosen.append(each)
        elif each.end - each.start > chosen[-1].end - chosen[-1].start:
            chosen[-1] = each
    return chosen
