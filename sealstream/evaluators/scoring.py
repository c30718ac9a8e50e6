"""From a classifier's answers and the gold labels to an evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.inference.evaluation import Evaluation, LabelScore
from sealstream.evaluators.calibration import expected_calibration_error
from sealstream.evaluators.report import score


@dataclass(frozen=True, slots=True)
class Answered:
    """One example: its gold label, and what the classifier said.

    Attributes:
        label: None for no answer.
        abstained: Whether a person would have to decide.
    """

    gold: str
    label: str | None
    confidence: float
    abstained: bool = False


def scored(dataset: str, digest: str, answers: Sequence[Answered]) -> Evaluation:
    """Score the answers, of which there is at least one."""
    scores = score([each.gold for each in answers], [each.label or "" for each in answers])
    covered = [each for each in answers if not each.abstained]
    right = sum(each.gold == each.label for each in covered)
    return Evaluation(
        dataset=dataset,
        digest=digest,
        items=len(answers),
        score=scores.accuracy,
        macro_f1=scores.macro_f1,
        calibration_error=expected_calibration_error([(each.confidence, each.gold == each.label) for each in answers]),
        coverage=len(covered) / len(answers),
        covered_score=right / len(covered) if covered else None,
        labels={
            name: LabelScore(
                support=one.support,
                precision=one.correct / one.predicted if one.predicted else 0.0,
                recall=one.correct / one.support,
                f1=one.f1,
            )
            for name, one in scores.classes.items()
            if one.support
        },
    )
