"""Which partitions rest while frames are in work, without a broker."""

import pytest
from faust.types import TP

from streams.frames.cursor import Cursor
from streams.frames.ledger import Hold
from streams.frames.rounds import LIMIT_SECONDS, Rounds

A, B, C = (TP("t", n) for n in range(3))
ALL = frozenset({A, B, C})


class Reader:
    """Knows who rests."""

    def __init__(self) -> None:
        self.resting: set[TP] = set()

    def rest(self, tp: TP) -> None:
        self.resting.add(tp)

    def wake(self, tp: TP) -> None:
        self.resting.remove(tp)


class Timer:
    """What `call_later` returns."""

    def __init__(self, call) -> None:
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Timers:
    """Time passes when a test says so."""

    def __init__(self) -> None:
        self.waiting: list[Timer] = []

    def later(self, seconds, call):
        assert seconds == LIMIT_SECONDS
        self.waiting.append(Timer(call))
        return self.waiting[-1]

    def pass_by(self) -> None:
        waiting, self.waiting = self.waiting, []
        for timer in waiting:
            if not timer.cancelled:
                timer.call()


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def timers() -> Timers:
    return Timers()


@pytest.fixture
def unread() -> set[TP]:
    return set()


@pytest.fixture
def rounds(timers, unread) -> Rounds:
    return Rounds(timers.later, lambda tp: tp not in unread)


def hold(tp: TP) -> Hold:
    cursor = Cursor(0)
    return Hold(tp, cursor, cursor.issue(1), 1)


def test_all_rest_until_the_last_frame_is_done(rounds, reader):
    first, second = hold(A), hold(B)
    rounds.begin(reader, [first, second], ALL)
    assert reader.resting == ALL
    rounds.done(first)
    assert reader.resting == ALL
    rounds.done(second)
    assert reader.resting == set()


def test_frames_of_no_round_wake_nobody_else(rounds, reader):
    mine = hold(A)
    rounds.begin(reader, [mine], {A})
    rounds.done(hold(B))
    assert reader.resting == {A}


def test_a_frame_that_takes_long_keeps_its_own_partition_only(rounds, reader, timers):
    slow, quick = hold(A), hold(B)
    rounds.begin(reader, [slow, quick], ALL)
    rounds.done(quick)
    timers.pass_by()
    assert reader.resting == {A}
    later = hold(B)
    rounds.begin(reader, [later], ALL)
    assert reader.resting == ALL
    rounds.done(later)
    assert reader.resting == {A}, "the next rounds don't wait for it"
    rounds.done(slow)
    assert reader.resting == set()


def test_a_round_that_ended_in_time_wakes_nobody_of_the_next_early(rounds, reader, timers):
    first = hold(A)
    rounds.begin(reader, [first], ALL)
    rounds.done(first)
    ended = list(timers.waiting)
    rounds.begin(reader, [hold(B)], ALL)
    assert [timer.cancelled for timer in ended] == [True]
    assert len(timers.waiting) == 2


def test_a_partition_that_is_not_read_stays_at_rest(rounds, reader, unread):
    mine = hold(A)
    rounds.begin(reader, [mine], ALL)
    unread.add(C)
    rounds.done(mine)
    assert reader.resting == {C}


def test_another_assignment_forgets_them(rounds, reader, timers):
    rounds.begin(reader, [hold(A)], ALL)
    rounds.clear()
    reader.resting.clear()
    timers.pass_by()
    late = hold(B)
    rounds.begin(reader, [late], {B})
    rounds.done(late)
    assert reader.resting == set(), "A's frame of the former assignment is not waited for"
