"""Texts with a label each, as CSV with the columns `text` and `category`: the form of banking77."""

import csv
import hashlib
import io
from pathlib import Path

from agents.inference.evaluation import Evaluation
from agents.inference.families import open_text_model
from schemas.errors import ConfigurationError
from sealstream.evaluators.evaluation import answers_of
from sealstream.evaluators.scoring import Answered, scored


def evaluate(model: Path, data: Path, dataset: str) -> Evaluation:
    """Have a text classifier answer every text; see `Evaluator`."""
    texts, labels, digest = _read(data)
    opened = open_text_model(model)
    answers = answers_of(opened, texts)
    return scored(
        dataset,
        digest,
        [
            Answered(gold, answer.label, answer.confidence or 0.0, answer.abstained)
            for gold, answer in zip(labels, answers, strict=True)
        ],
    )


def _read(data: Path) -> tuple[list[str], list[str], str]:
    try:
        content = data.read_bytes()
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
        texts, labels = [row["text"] for row in rows], [row["category"] for row in rows]
    except OSError as exc:
        raise ConfigurationError(f"{data} can't be read; name a CSV file") from exc
    except (UnicodeDecodeError, csv.Error, KeyError) as exc:
        raise ConfigurationError(f"{data} is no CSV in UTF-8 with the columns text and category") from exc
    if not rows or any(not isinstance(text, str) or not label for text, label in zip(texts, labels, strict=True)):
        raise ConfigurationError(f"{data} holds no rows, or one without a text and a category")
    return texts, labels, hashlib.sha256(content).hexdigest()
