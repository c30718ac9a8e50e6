"""What models answered: checked before it is believed, then merged into one result. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from agents.inference.engine import ModelIdentity
from agents.inference.text_model import DeviceFailed, PreparedText, TextAnswer
from schemas.model_reference import SEPARATOR

CLASSIFIED: Final = "classified"
EXTRACTED: Final = "extracted"
REVIEW: Final = "review"


class Entity(msgspec.Struct, frozen=True):
    """A value found, as it is kept. Members are declared in sorted order: that order is the RFC 8785 form.

    Attributes:
        confidence: Four decimals, as text: a number could not be canonical.
    """

    confidence: str
    end: int
    kind: str
    start: int
    value: str


@dataclass(frozen=True, slots=True)
class Answered:
    """One model's answer for one text, and how it came to be answered.

    Attributes:
        explanation: The scheduler's, as canonical JSON.
    """

    model: ModelIdentity
    answer: TextAnswer
    explanation: str


@dataclass(frozen=True, slots=True)
class Merged:
    """What all models together say of a text.

    Attributes:
        outcome: `classified`, `extracted`, or `review` where a person has to decide.
        values: Field name to canonical bytes, sorted.
        model: All models, as leaves name them.
        decision: The explanations: one object, or an array of them in the order of the models.
    """

    outcome: str
    values: list[tuple[str, bytes]]
    model: str
    decision: str


def check_answers(
    answers: Sequence[TextAnswer], texts: Sequence[PreparedText], model: ModelIdentity
) -> Sequence[TextAnswer]:
    """See that there is one usable answer for each text.

    Raises:
        DeviceFailed: There are too few or too many, or one says nothing that can be.
    """
    if len(answers) != len(texts):
        raise DeviceFailed(f"{len(answers)} answers for {len(texts)} texts")
    for answer, text in zip(answers, texts, strict=True):
        if not _is_usable(answer, text, model):
            raise DeviceFailed("an answer has a label, a number or a place that can't be")
    return answers


def _is_usable(answer: TextAnswer, text: PreparedText, model: ModelIdentity) -> bool:
    if (answer.label is None) != (answer.confidence is None):
        return False
    if answer.label is not None and not (answer.label in model.labels and _is_probability(answer.confidence)):
        return False
    return all(
        0 <= each.start < each.end <= len(text.text) and _is_probability(each.confidence) for each in answer.extracted
    )


def _is_probability(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and 0 <= value <= 1


def merge(text: str, answers: Sequence[Answered]) -> Merged:
    """One result of all answers. Of several labels the surest model's counts, one that abstains behind the others.

    Args:
        answers: In the order of their models' names; at least one.
    """
    labelled = [each.answer for each in answers if each.answer.label is not None]
    chosen = max(labelled, key=lambda each: (not each.abstained, each.confidence or 0.0), default=None)
    values: list[tuple[str, bytes]] = []
    if chosen is not None and chosen.label is not None:
        values += [("confidence", b"%.4f" % (chosen.confidence or 0.0)), ("label", chosen.label.encode())]
    if any(each.answer.label is None or each.answer.extracted for each in answers):
        values.append(("entities", _entities(text, answers)))
    outcome = EXTRACTED if chosen is None else REVIEW if chosen.abstained else CLASSIFIED
    explanations = [each.explanation for each in answers]
    return Merged(
        outcome,
        sorted(values),
        SEPARATOR.join(each.model.reference for each in answers),
        explanations[0] if len(explanations) == 1 else f"[{','.join(explanations)}]",
    )


def _entities(text: str, answers: Sequence[Answered]) -> bytes:
    found = sorted(
        (each.start, each.end, each.kind, f"{each.confidence:.4f}") for one in answers for each in one.answer.extracted
    )
    return msgspec.json.encode(
        [Entity(confidence, end, kind, start, text[start:end]) for start, end, kind, confidence in found]
    )
