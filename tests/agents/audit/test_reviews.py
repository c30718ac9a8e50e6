"""What an audit makes of the review leaves of a log, read in whatever order they stand."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
import pytest

from agents.audit.findings import LogReport, RecoveredRange, VerifyReport
from agents.audit.reviews import ReviewCheck
from agents.reviews.review_leaf import review_name
from schemas.leaf import LEAF_VERSION, Leaf

ORIGIN = "log.example/bank-a"
RECORD = UUID(int=7)
RESULT = Leaf(v=LEAF_VERSION, commit=1, kind="result", time="t", outcome="review", record=str(RECORD))


def review(commit: int, number: int, linked: UUID) -> Leaf:
    return Leaf(
        v=LEAF_VERSION,
        commit=commit,
        kind="review",
        time="t",
        actor="a",
        basis="alone",
        record=str(RECORD),
        linked=str(linked),
        count=number,
        label="l",
        purpose="p",
    )


FIRST = review(2, 1, RECORD)
SECOND = review(3, 2, review_name(ORIGIN, 2, 0))


def findings(leaves: Sequence[Leaf], recovered: Sequence[RecoveredRange] = (), placed: int = 100) -> list[str]:
    """What is found when leaves stand in this order, all but the last ones placed."""
    report, log = VerifyReport(), LogReport(ORIGIN, "bank-a", recoveries=list(recovered))
    check = ReviewCheck(log, report)
    for index, leaf in enumerate(leaves):
        check.see(f"index {index}", leaf, 0, index if index < placed else None)
    check.finish()
    return [finding.what for finding in report.findings]


@pytest.mark.parametrize("leaves", [[RESULT, FIRST, SECOND], [RESULT, SECOND, FIRST], [RESULT]])
def test_decisions_that_follow_one_another_are_fine_in_any_order(leaves: Sequence[Leaf]) -> None:
    assert findings(leaves) == []


@pytest.mark.parametrize(
    ("leaves", "words"),
    [
        pytest.param([FIRST], "no result in the log", id="no-result"),
        pytest.param([msgspec.structs.replace(RESULT, outcome="booked"), FIRST], "no result in the log", id="answered"),
        pytest.param([RESULT, SECOND], "decision 1 about its record is not in the log", id="first-is-missing"),
        pytest.param([RESULT, FIRST, FIRST], "stands in the log already", id="twice"),
        pytest.param([RESULT, FIRST, review(3, 2, RECORD)], "does not link", id="links-to-the-record"),
        pytest.param([RESULT, review(2, 1, UUID(int=9))], "does not link", id="links-elsewhere"),
        pytest.param([RESULT, msgspec.structs.replace(FIRST, label=None)], "does not say", id="no-label"),
        pytest.param([RESULT, msgspec.structs.replace(FIRST, purpose=None)], "does not say", id="no-reason"),
        pytest.param([RESULT, msgspec.structs.replace(FIRST, actor=None)], "does not say", id="nobody"),
        pytest.param([RESULT, msgspec.structs.replace(FIRST, record="x")], "does not say", id="no-record"),
        pytest.param([RESULT, msgspec.structs.replace(FIRST, count=0)], "does not say", id="number-nought"),
    ],
)
def test_what_does_not_fit_is_found(leaves: Sequence[Leaf], words: str) -> None:
    assert any(words in what for what in findings(leaves))


def test_a_review_that_waits_may_be_read_without_its_result() -> None:
    assert findings([FIRST, SECOND], placed=0) == []


def test_people_may_decide_anew_after_a_recovery_that_lost_their_decisions() -> None:
    anew = review(9, 1, RECORD)
    lost = [RecoveredRange(1, 3)]
    assert findings([RESULT, FIRST, SECOND, anew], lost) == []
    assert any("stands in the log already" in what for what in findings([RESULT, FIRST, SECOND, anew]))


def test_a_decision_may_follow_one_that_was_brought_back() -> None:
    assert findings([RESULT, FIRST, SECOND], [RecoveredRange(1, 2)]) == []
