"""Whether what a device answered can be used at all. Whether it is right is a matter of the model."""

from collections.abc import Sequence

from agents.inference.engine import ModelIdentity
from agents.inference.text_model import DeviceFailed, Extracted, PreparedText, TextAnswer


def check_answers(answers: Sequence[TextAnswer], texts: Sequence[PreparedText], model: ModelIdentity) -> None:
    """Refuse a batch with anything in it that is no answer of this model.

    Raises:
        DeviceFailed: Too few rows, something that is no number, an unknown label, or a span outside of its text.
    """
    if len(answers) != len(texts):
        raise DeviceFailed(f"model {model.name} gave {len(answers)} answers for {len(texts)} texts")
    labels = frozenset(model.labels)
    for answer, text in zip(answers, texts, strict=True):
        if (answer.label is None) != (answer.confidence is None):
            raise DeviceFailed(f"model {model.name} gave a label without a confidence, or the other way round")
        if answer.label is not None and (answer.label not in labels or not _is_share(answer.confidence)):
            raise DeviceFailed(f"model {model.name} gave a label or a confidence that there is not")
        if not all(_fits(each, text, labels) for each in answer.extracted):
            raise DeviceFailed(f"model {model.name} gave a span that is not in its text")


def _fits(found: Extracted, text: PreparedText, labels: frozenset[str]) -> bool:
    return found.kind in labels and 0 <= found.start < found.end <= len(text.text) and _is_share(found.confidence)


def _is_share(value: float | None) -> bool:
    # False for a NaN as well.
    return value is not None and 0.0 <= value <= 1.0
