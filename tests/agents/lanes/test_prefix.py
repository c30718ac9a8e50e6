"""The finished prefix of a lane's partition, whatever the order in which its records end."""

from hypothesis import given
from hypothesis import strategies as st

from agents.lanes.prefix import Prefix


def prefix(offsets: list[int], stored: int | None = None) -> Prefix:
    made = Prefix("lane.text.low", 0, stored)
    for offset in offsets:
        made.read(offset)
    return made


@given(st.lists(st.integers(0, 1_000), min_size=1, unique=True).map(sorted), st.data())
def test_the_position_is_that_of_the_first_message_that_has_not_ended(offsets: list[int], data: st.DataObject) -> None:
    made, left = prefix(offsets), list(offsets)
    for offset in data.draw(st.permutations(offsets)):
        left.remove(offset)
        expected = left[0] if left else offsets[-1] + 1
        assert made.position([offset]) == expected
        made.finish([offset])
        assert made.position() == expected
    assert len(made) == 0


def test_a_step_begins_where_the_database_stands() -> None:
    made = prefix([5, 6, 9], stored=3)
    assert made.step([6]) == (3, 5)  # what lies between holds no message for us
    made.stored = 5
    assert made.step([6]) is None
    assert made.step([5, 6]) == (5, 9)


def test_the_first_step_ever_begins_with_the_first_message() -> None:
    assert prefix([7, 8]).step([7]) == (7, 8)


def test_what_is_read_again_moves_nothing_back() -> None:
    assert prefix([0, 1, 2], stored=10).step([0, 1, 2]) is None


def test_a_revoked_partition_moves_no_more() -> None:
    made = prefix([0, 1])
    made.revoked = True
    assert made.step([0, 1]) is None
