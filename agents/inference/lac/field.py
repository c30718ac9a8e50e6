"""The conditional random field behind LAC's encoder: the best labels of a sentence, and how probable each is."""

from typing import Any

import numpy as np

Scores = np.ndarray[Any, np.dtype[np.float32]]


def best_path(emissions: Scores, transitions: Scores) -> list[int]:
    """The most probable labels (Viterbi).

    Args:
        emissions: float32 [characters, labels], at least one row.
        transitions: float32 [labels, labels], from row to column.
    """
    score = emissions[0]
    back: list[Any] = []
    for row in emissions[1:]:
        table = score[:, None] + transitions
        origin = table.argmax(axis=0)
        back.append(origin)
        score = table[origin, np.arange(len(row))] + row
    path = [int(score.argmax())]
    for origin in reversed(back):
        path.append(int(origin[path[-1]]))
    path.reverse()
    return path


def marginals(emissions: Scores, transitions: Scores) -> Scores:
    """The probability of each label at each character: float64 [characters, labels] (forward-backward, scaled)."""
    potentials = np.exp(emissions.astype(np.float64) - emissions.max(axis=1, keepdims=True))
    moves = np.exp(transitions.astype(np.float64) - transitions.max())
    count = len(potentials)
    forward, backward = np.empty_like(potentials), np.empty_like(potentials)
    forward[0] = potentials[0] / potentials[0].sum()
    for at in range(1, count):
        row = (forward[at - 1] @ moves) * potentials[at]
        forward[at] = row / row.sum()
    backward[-1] = 1.0
    for at in range(count - 2, -1, -1):
        row = moves @ (potentials[at + 1] * backward[at + 1])
        backward[at] = row / row.sum()
    both = forward * backward
    result: Scores = both / both.sum(axis=1, keepdims=True)
    return result
