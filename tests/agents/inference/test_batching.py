"""Batches of similar lengths: every text once, within the budget, and hardly any padding."""

from hypothesis import given
from hypothesis import strategies as st

from agents.inference.batching import CALL_TOKENS, MOST_PADDING, plan

LENGTHS = st.lists(st.integers(1, 512), max_size=300)


@given(LENGTHS, st.integers(1, 2_048), st.integers(1, 64))
def test_every_text_is_in_one_batch_within_the_limits(lengths: list[int], budget: int, items: int):
    batches = plan(lengths, budget, items)
    assert sorted(row for rows in batches.rows for row in rows) == list(range(len(lengths)))
    for rows in batches.rows:
        assert len(rows) <= items
        assert len(rows) == 1 or len(rows) * max(lengths[row] for row in rows) <= budget


@given(LENGTHS)
def test_padding_is_what_is_said_and_stays_under_its_share(lengths: list[int]):
    batches = plan(lengths, 1_024, 64)
    padded = sum(len(rows) * max(lengths[row] for row in rows) for rows in batches.rows)
    assert (batches.padding.tokens, batches.padding.padded) == (sum(lengths), padded)
    assert batches.padding.waste <= MOST_PADDING + 1e-9


@given(st.integers(1, 512), st.integers(0, 100))
def test_equal_lengths_share_as_few_batches_as_the_budget_allows(length: int, count: int):
    full = max(min(1_024 // length, 64), 1)
    assert len(plan([length] * count, 1_024, 64).rows) == -(-count // full)


@given(LENGTHS)
def test_no_text_is_padded_by_more_than_its_own_call_would_cost(lengths: list[int]):
    for rows in plan(lengths, 2_048, 64).rows:
        assert all(lengths[rows[0]] - lengths[row] < CALL_TOKENS for row in rows)
