"""Reports of trials: counts by pair of versions, failures apart from other labels."""

from agents.models.trial_report import trial_reports
from streams.storage.models import ComparisonRow


def row(trial: str, label: str, trial_label: str, records: int) -> ComparisonRow:
    return ComparisonRow(name="kinds", active="1", trial=trial, label=label, trial_label=trial_label, records=records)


def test_each_trial_is_counted_by_itself_and_no_answer_is_no_other_label() -> None:
    rows = [row("2", "a", "a", 90), row("2", "a", "b", 7), row("2", "b", "", 3), row("3", "a", "a", 5)]
    first, second = trial_reports(rows)
    assert (first.trial, first.records, first.disagreed, first.unanswered) == ("2", 100, 7, 3)
    assert list(first.pairs) == [rows[1]]
    assert (second.trial, second.records, second.disagreed, second.unanswered) == ("3", 5, 0, 0)
