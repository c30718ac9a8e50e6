import pytest

from bench.search import percentile


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.99, 99.0), (1.0, 100.0), (0.5, 50.0), (0.001, 1.0)],
)
def test_a_percentile_is_a_value_that_was_measured(share: float, expected: float) -> None:
    assert percentile([float(number) for number in range(1, 101)], share) == expected
    assert percentile([7.0], share) == 7.0
