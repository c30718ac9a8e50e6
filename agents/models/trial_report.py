"""What a version on trial said beside the active one: how often they differed, and on which labels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from streams.storage.models import ComparisonRow


@dataclass(frozen=True, slots=True)
class TrialReport:
    """One pair of versions.

    Attributes:
        records: Compared ones.
        disagreed: Those that got another label.
        unanswered: Those on which the trial failed.
        pairs: Of different labels, the most frequent first.
    """

    active: str
    trial: str
    records: int
    disagreed: int
    unanswered: int
    pairs: Sequence[ComparisonRow]


def trial_reports(rows: Iterable[ComparisonRow]) -> list[TrialReport]:
    """Reports of a model's trials; the rows are in the order in which they are stored."""
    reports = []
    for (active, trial), found in groupby(rows, key=lambda row: (row.active, row.trial)):
        group = list(found)
        apart = [row for row in group if row.label != row.trial_label]
        pairs = [row for row in apart if row.trial_label]
        disagreed = sum(row.records for row in pairs)
        unanswered = sum(row.records for row in apart) - disagreed
        compared = sum(row.records for row in group)
        reports.append(TrialReport(active, trial, compared, disagreed, unanswered, pairs))
    return reports
