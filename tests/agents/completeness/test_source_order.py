import datetime as dt
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.completeness.source_order import Arrival, Gap, SourceOrder, runs

EARLY = dt.datetime(2026, 1, 5, 8, 0, tzinfo=dt.UTC)
LATER = EARLY + dt.timedelta(minutes=1)


def arrivals(*numbers: int, start: int = 0) -> list[Arrival]:
    return [Arrival(number, UUID(int=start + n)) for n, number in enumerate(numbers)]


def test_numbers_that_follow_each_other_leave_no_gap_in_whatever_order_they_come() -> None:
    order = SourceOrder()
    assert order.take(arrivals(7, 5, 6), EARLY) == ([], [])
    assert order.take(arrivals(4, 8), LATER) == ([], [])
    assert (order.first, order.last, order.gaps) == (4, 8, [])


def test_a_gap_begins_when_a_later_number_is_seen() -> None:
    order = SourceOrder()
    order.take(arrivals(1), EARLY)
    order.take(arrivals(5), LATER)
    assert order.gaps == [Gap(2, 4, LATER)]


def test_a_number_before_the_first_one_seen_opens_a_gap_between_them() -> None:
    order = SourceOrder()
    order.take(arrivals(9), EARLY)
    order.take(arrivals(5), LATER)
    assert (order.first, order.last, order.gaps) == (5, 9, [Gap(6, 8, LATER)])


@pytest.mark.parametrize(
    ("number", "left"),
    [
        pytest.param(2, [(3, 6)], id="first"),
        pytest.param(6, [(2, 5)], id="last"),
        pytest.param(4, [(2, 3), (5, 6)], id="between"),
    ],
)
@pytest.mark.parametrize("noted", [False, True], ids=["silent", "noted"])
def test_a_late_number_closes_its_part_and_is_told_where_the_gap_was_noted(
    number: int, left: list[tuple[int, int]], noted: bool
) -> None:
    order = SourceOrder(1, 7, [Gap(2, 6, EARLY, noted)])
    late, repeated = order.take(arrivals(number), LATER)
    assert (late, repeated) == ([number] if noted else [], [])
    assert order.gaps == [Gap(*part, EARLY, noted) for part in left]


def test_a_number_that_was_seen_is_told_with_the_later_message() -> None:
    order = SourceOrder()
    order.take(arrivals(1, 2), EARLY)
    (again,) = arrivals(2, start=9)
    assert order.take([again], LATER) == ([], [again])
    assert order.take(arrivals(3, 3), LATER)[1] == [Arrival(3, UUID(int=1))]


def test_runs_are_told_together() -> None:
    assert runs([]) == []
    assert runs([1, 2, 3, 7, 9, 10]) == [(1, 3), (7, 7), (9, 10)]


@given(st.lists(st.lists(st.integers(0, 40), max_size=8), max_size=8))
def test_what_is_neither_missing_nor_outside_has_arrived_once(batches: list[list[int]]) -> None:
    order, seen = SourceOrder(), set[int]()
    for batch in batches:
        _, repeated = order.take(arrivals(*batch), EARLY)
        assert len(repeated) == len(batch) - len(set(batch) - seen)
        seen |= set(batch)
    missing = [number for gap in order.gaps for number in range(gap.first, gap.last + 1)]
    assert missing == sorted(set(range(min(seen, default=0), max(seen, default=-1) + 1)) - seen)
    assert all(before.last + 1 < after.first for before, after in zip(order.gaps, order.gaps[1:], strict=False))
