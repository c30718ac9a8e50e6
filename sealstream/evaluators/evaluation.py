"""Measures a text classifier on labelled texts: accuracy, calibration, what its threshold does, CPU time.

No training, no numeric library: it works on answers, whatever family gave them.
"""

import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from agents.inference.model_directory import ModelDirectory
from agents.inference.model_metrics import ModelMetrics
from agents.inference.text_model import TextAnswer, TextModel
from schemas.errors import ConfigurationError
from sealstream.evaluators.calibration import expected_calibration_error
from sealstream.evaluators.report import Scores, score

_ALONE: Final = 100
"""Texts that are timed alone."""

_FRAME: Final = 512
"""Texts that are given together."""


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """A test or training set.

    Attributes:
        name: For cards and metrics.
    """

    name: str
    texts: tuple[str, ...]
    labels: tuple[str, ...]


def read_labelled(path: Path, name: str) -> LabelledTexts:
    """Read a CSV file whose columns are `text` and `category`, as banking77's.

    Raises:
        ConfigurationError: It is not there or has other columns.
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = [(row["text"], row["category"]) for row in csv.DictReader(lines)]
    except (OSError, UnicodeDecodeError, KeyError, csv.Error) as exc:
        raise ConfigurationError(f"{path} is no CSV file with the columns text and category") from exc
    return LabelledTexts(name, tuple(text for text, _ in rows), tuple(label for _, label in rows))


def answers_of(model: TextModel, texts: Sequence[str]) -> list[TextAnswer]:
    """Answers in the order of the texts.

    Raises:
        InferenceFailed: The model failed.
    """
    found: list[TextAnswer] = []
    for start in range(0, len(texts), _FRAME):
        found += model.answer(model.prepare(texts[start : start + _FRAME]))
    return found


def evaluate(model: TextModel, directory: ModelDirectory, data: LabelledTexts) -> ModelMetrics:
    """Measure a model.

    Args:
        directory: The files it was loaded from, for their size.

    Raises:
        InferenceFailed: The model failed.
    """
    started = time.process_time_ns()
    answers = answers_of(model, data.texts)
    together = (time.process_time_ns() - started) / 1e3 / max(len(data.texts), 1)
    alone = [_alone_us(model, text) for text in data.texts[:_ALONE]]
    scores = scores_of(answers, data.labels)
    covered = [(answer, label) for answer, label in zip(answers, data.labels, strict=True) if not answer.abstained]
    return ModelMetrics(
        dataset=data.name,
        examples=len(answers),
        accuracy=scores.accuracy,
        macro_f1=scores.macro_f1,
        ece=calibration_error(answers, data.labels),
        coverage=len(covered) / max(len(answers), 1),
        covered_accuracy=sum(answer.label == label for answer, label in covered) / max(len(covered), 1),
        size_bytes=sum(map(len, directory.files.values())),
        latency_us_median=median(alone) if alone else None,
        throughput_us=together,
    )


def scores_of(answers: Sequence[TextAnswer], labels: Sequence[str]) -> Scores:
    """By label; what the model abstained on counts by its most probable label."""
    return score(labels, [answer.label or "" for answer in answers])


def calibration_error(answers: Sequence[TextAnswer], labels: Sequence[str]) -> float:
    """Expected calibration error; 0 without answers."""
    pairs = zip(answers, labels, strict=True)
    return expected_calibration_error((answer.confidence or 0.0, answer.label == label) for answer, label in pairs)


def _alone_us(model: TextModel, text: str) -> float:
    started = time.process_time_ns()
    model.answer(model.prepare([text]))
    return (time.process_time_ns() - started) / 1e3
