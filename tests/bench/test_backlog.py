import datetime as dt

import pytest

from bench.backlog import memory_after, tenths
from bench.memory import Sample

BEGUN = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)


def after(seconds: float) -> dt.datetime:
    return BEGUN + dt.timedelta(seconds=seconds)


def test_a_tenth_ends_with_the_commit_that_reaches_its_boundary() -> None:
    moments = [*range(1, 11), *range(12, 31, 2)]  # half as fast from the middle on
    commits = [(after(moment), 50) for moment in moments]
    assert tenths(commits, BEGUN, 1_000) == [50.0] * 5 + [25.0] * 5


def test_a_large_commit_counts_where_it_ends() -> None:
    commits = [(after(1), 90), (after(2), 120), *[(after(2 + number), 99) for number in range(1, 9)]]
    rates = tenths(commits, BEGUN, 1_000)
    assert rates[0] == pytest.approx(105.0)  # the commit that reaches a tenth, with all before it
    assert sum(count for _, count in commits) == 1_002


def test_memory_is_that_of_the_largest_worker_when_so_much_was_done() -> None:
    samples = [Sample(0, {1: 100, 2: 90}, 0), Sample(1, {1: 110, 2: 150}, 500), Sample(2, {1: 120}, 1_000)]
    assert memory_after(samples, [1, 2], 400) == 150
    assert memory_after(samples, [1, 2], 1_000) == 120
    assert memory_after(samples, [1, 2], 9_999) == 120
