"""Cursors, the byte budget and the ledger of frames, without a broker."""

import pytest
from faust.types import TP
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streams.frames.budget import Budget
from streams.frames.cursor import Cursor
from streams.frames.ledger import Ledger

A, B, C = (TP("t", n) for n in range(3))


def test_acked_to_moves_over_the_finished_prefix_only():
    cursor = Cursor(100)
    first, second, third = cursor.issue(110), cursor.issue(115), cursor.issue(200)
    cursor.ack(second)
    assert (cursor.acked_to, cursor.frames_out) == (100, 2)
    cursor.ack(first)
    assert (cursor.acked_to, cursor.frames_out) == (115, 1)
    cursor.ack(third)
    assert (cursor.acked_to, cursor.frames_out, cursor.position) == (200, 0, 200)


def test_acking_twice_counts_once():
    cursor = Cursor(0)
    place = cursor.issue(5)
    cursor.ack(place)
    cursor.ack(place)
    assert (cursor.acked_to, cursor.frames_out) == (5, 0)


@pytest.mark.parametrize("end", [pytest.param(10, id="empty"), pytest.param(9, id="backwards")])
def test_a_frame_has_to_move_forward(end):
    with pytest.raises(ValueError, match="from 10 cannot end"):
        Cursor(10).issue(end)


def test_a_partition_is_idle_while_none_of_its_frames_is_out():
    ledger = Ledger(100, depth=2)
    for tp in (A, B):
        ledger.place(tp, 0)
    hold = ledger.issue(A, 5, 1)
    assert ledger.idle([A, B, C]) == {B, C}
    ledger.ack(hold)
    assert ledger.idle([A, B, C]) == {A, B, C}


def test_one_partition_may_borrow_half_the_budget_and_no_more_than_its_share_beyond_it():
    budget = Budget(100)
    budget.take(A, 49)
    assert budget.admits(A, 4)
    budget.take(A, 1)
    assert not budget.admits(A, 4)
    assert budget.admits(B, 4)
    budget.take(B, 50)
    assert not budget.admits(C, 4), "the limit is reached"
    budget.give_back(A, 50)
    assert budget.admits(C, 4)


def test_a_frame_larger_than_the_budget_passes_when_nothing_else_is_held():
    budget = Budget(10)
    assert budget.admits(A, 1)
    budget.take(A, 1_000)
    assert not budget.admits(B, 2)
    budget.give_back(A, 1_000)
    assert budget.admits(B, 2)


def test_depth_limits_the_frames_of_each_partition_alone():
    ledger = Ledger(1_000, depth=2)
    ledger.place(A, 0)
    ledger.place(B, 0)
    first = ledger.issue(A, 1, 1)
    ledger.issue(A, 2, 1)
    assert ledger.readable([A, B, C]) == [B], "C has no cursor"
    ledger.ack(first)
    assert ledger.readable([A, B]) == [A, B]


def test_frames_of_an_earlier_cursor_no_longer_count_but_still_weigh():
    ledger = Ledger(1_000, depth=1)
    ledger.place(A, 0)
    old = ledger.issue(A, 10, 300)
    ledger.place(A, 4)
    assert ledger.readable([A]) == [A]
    assert ledger.budget.held_bytes == 300
    ledger.ack(old)
    assert ledger.unreported() == {A: 4}
    assert ledger.budget.held_bytes == 0


def test_a_dropped_frame_frees_its_bytes_and_keeps_its_partition_waiting():
    ledger = Ledger(1_000, depth=1)
    ledger.place(A, 0)
    assert ledger.drop(ledger.issue(A, 10, 300))
    assert ledger.budget.held_bytes == 0
    assert ledger.readable([A]) == []
    assert ledger.cursor(A).acked_to == 0
    ledger.place(A, 0)
    assert ledger.readable([A]) == [A]


def test_dropping_what_was_acked_or_overtaken_needs_nothing():
    ledger = Ledger(1_000, depth=2)
    ledger.place(A, 0)
    acked, overtaken = ledger.issue(A, 10, 1), ledger.issue(A, 20, 1)
    ledger.ack(acked)
    ledger.clear()
    assert not ledger.drop(acked)
    assert not ledger.drop(overtaken)
    assert ledger.budget.held_bytes == 0


def test_an_offset_is_reported_until_kafka_took_it():
    ledger = Ledger(1_000, depth=1)
    ledger.place(A, 7)
    assert ledger.unreported() == {A: 7}
    ledger.report({A: 7, C: 1})
    assert ledger.unreported() == {}
    ledger.ack(ledger.issue(A, 9, 1))
    assert ledger.unreported([B]) == {}
    assert ledger.unreported([A]) == {A: 9}


class LedgerMachine(RuleBasedStateMachine):
    """Any order of fetches, acks, drops, seeks and revocations, against a plain model."""

    LIMIT, DEPTH, LARGEST = 1_000, 3, 400

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(self.LIMIT, self.DEPTH)
        self.model = {}  # partition -> [start, [(end, acked)]]
        self.out = []  # (hold, index in the model's list or None, the list)

    tps = st.sampled_from([A, B, C])

    @rule(tp=tps, position=st.integers(0, 10_000))
    def place(self, tp, position):
        self.ledger.place(tp, position)
        self.model[tp] = [position, []]

    @rule(tp=tps)
    def revoke(self, tp):
        self.ledger.remove(tp)
        self.model.pop(tp, None)

    @rule(records=st.integers(1, 50), size=st.integers(1, LARGEST))
    def fetch_all_readable(self, records, size):
        for tp in self.ledger.readable([A, B, C]):
            if self.ledger.budget.held_bytes < self.LIMIT:  # as one fetch brings them
                frames = self.model[tp][1]
                end = self.ledger.cursor(tp).position + records
                frames.append([end, False])
                self.out.append((self.ledger.issue(tp, end, size), frames[-1]))

    @rule(data=st.data())
    def ack(self, data):
        if self.out:
            hold, entry = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
            self.ledger.ack(hold)
            entry[1] = True

    @rule(data=st.data())
    def drop(self, data):
        if self.out:
            hold, entry = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
            waits = self.ledger.drop(hold)
            assert waits == any(entry is mine for _, frames in self.model.values() for mine in frames)

    @invariant()
    def bytes_held_are_those_out(self):
        assert self.ledger.budget.held_bytes == sum(hold.size for hold, _ in self.out)
        assert self.ledger.budget.held_bytes < self.LIMIT + self.LARGEST

    @invariant()
    def acks_cover_exactly_the_finished_prefix(self):
        expected = {}
        for tp, (start, frames) in self.model.items():
            expected[tp] = start
            for end, acked in frames:
                if not acked:
                    break
                expected[tp] = end
        assert self.ledger.unreported() == expected

    @invariant()
    def something_can_be_read_when_nothing_is_out(self):
        if not self.out:
            lost = {tp for tp, (_, frames) in self.model.items() if sum(not acked for _, acked in frames) >= self.DEPTH}
            assert set(self.ledger.readable([A, B, C])) == self.model.keys() - lost


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
