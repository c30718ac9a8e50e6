"""From the probabilities of each word's tags to the values that they mean."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agents.inference.tagger.labels import OUTSIDE, to_runs

if TYPE_CHECKING:
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float32]

_NEVER = np.float32(-1e9)


@dataclass(frozen=True, slots=True)
class Run:
    """Words that are one value.

    Attributes:
        kind: Its place among the model's kinds.
        start: First word.
        end: One after the last word.
        probability: The smallest of its words' tags, and of the next word not going on with it.
    """

    kind: int
    start: int
    end: int
    probability: float


def decode(scores: "FloatArray") -> Iterator[Run]:
    """The most probable values.

    Args:
        scores: Logarithms of probabilities, float32 [words, tags].
    """
    tags = best_tags(scores)
    for kind, start, end in to_runs(tags):
        least = float(np.exp(scores[range(start, end), tags[start:end]].min()))
        if end < len(tags):
            least = min(least, 1 - float(np.exp(scores[end, 2 + 2 * kind])))
        yield Run(kind, start, end, max(least, 0.0))


def best_tags(scores: "FloatArray") -> Sequence[int]:
    """The most probable tags of which none goes on with what did not begin (Viterbi)."""
    greedy: list[int] = scores.argmax(axis=1).tolist()
    if all(map(_may_follow, [OUTSIDE, *greedy], greedy)):
        return greedy
    count = scores.shape[1]
    step = np.array([[0 if _may_follow(one, other) else _NEVER for other in range(count)] for one in range(count)])
    best = scores[0] + step[OUTSIDE]
    came_from = []
    for row in scores[1:]:
        sums = best[:, None] + step
        came_from.append(sums.argmax(axis=0))
        best = sums.max(axis=0) + row
    tags = [int(best.argmax())]
    for places in reversed(came_from):
        tags.append(int(places[tags[-1]]))
    return tags[::-1]


def _may_follow(one: int, other: int) -> bool:
    # Even tags go on: with the tag itself, or with the one that begins, just below it.
    return other == OUTSIDE or other % 2 == 1 or one in (other, other - 1)
