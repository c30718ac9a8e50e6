"""Cutting what a model is given into batches of similar lengths. Which texts are given together: `agents.scheduling`.

A batch is as wide as its longest text, so texts are sorted and a batch ends where the next, shorter one would make too
much of it padding, or would be padded by more than a call of its own costs. The scheduler has put similar lengths
together already, but by steps of eight tokens or an eighth: of short texts that would still be a quarter in vain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agents.inference.padding import Padding
from agents.scheduling.device import room

MOST_PADDING: Final = 0.05
"""Share of a batch. Less of it means more batches, and a small batch costs more for each token."""

CALL_TOKENS: Final = 8
"""A little less than what a call costs beside its tokens: 9 to 12 tokens, for a six-layer encoder on one core."""


@dataclass(frozen=True, slots=True)
class Batches:
    """What to compute together.

    Attributes:
        rows: The places of the texts of each batch, the longest text first.
        padding: Of all batches.
    """

    rows: tuple[tuple[int, ...], ...]
    padding: Padding


def plan(lengths: Sequence[int], token_budget: int, max_items: int) -> Batches:
    """Every text in one batch.

    Args:
        lengths: Tokens of each text, at least 1.
        token_budget: Padded tokens in a batch; a text that is longer goes alone.
        max_items: Texts in a batch.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    made: list[tuple[int, ...]] = []
    padded = start = 0
    while start < len(order):
        end = _end(lengths, order, start, max(room(lengths[order[start]], max_items, token_budget), 1))
        made.append(tuple(order[start:end]))
        padded += (end - start) * lengths[order[start]]
        start = end
    return Batches(tuple(made), Padding(sum(lengths), padded))


def _end(lengths: Sequence[int], order: Sequence[int], start: int, most: int) -> int:
    width, tokens, end = lengths[order[start]], 0, start
    while end < len(order) and end - start < most and width - lengths[order[end]] < CALL_TOKENS:
        tokens += lengths[order[end]]
        if tokens < (1 - MOST_PADDING) * width * (end - start + 1):
            break
        end += 1
    return end
