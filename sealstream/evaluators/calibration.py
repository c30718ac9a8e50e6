"""Expected calibration error: how far confidences are from how often the answers are right."""

from collections.abc import Iterable
from typing import Final

BINS: Final = 15


def expected_calibration_error(answers: Iterable[tuple[float, bool]]) -> float:
    """Over bins of equal width (Guo et al., ICML 2017, section 2), weighted by answers; 0 without any.

    Args:
        answers: Of each the confidence, 0 to 1, and whether it is right.
    """
    gaps = [0.0] * BINS
    count = 0
    for confidence, right in answers:
        gaps[min(int(confidence * BINS), BINS - 1)] += confidence - right
        count += 1
    return sum(map(abs, gaps)) / max(count, 1)
