"""Texts with a label each, as CSV with the columns `text` and `category`: the form of banking77."""

import csv
import hashlib
import io
from pathlib import Path
from typing import Final

from agents.inference.evaluation import Evaluation
from agents.inference.families import open_text_model
from agents.inference.text_model import TextAnswer
from schemas.errors import ConfigurationError
from sealstream.evaluators.scoring import Answered, scored

_BATCH: Final = 32


def evaluate(model: Path, data: Path, dataset: str) -> Evaluation:
    """Have a text classifier answer every text; see `Evaluator`."""
    texts, labels, digest = _read(data)
    opened = open_text_model(model)
    prepared = opened.prepare(texts)
    # Texts of one length together: none is padded to the longest of all.
    order = sorted(range(len(prepared)), key=lambda n: prepared[n].tokens)
    answers: dict[int, TextAnswer] = {}
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        answers.update(zip(chosen, opened.answer([prepared[n] for n in chosen]), strict=True))
    return scored(
        dataset,
        digest,
        [
            Answered(gold, answers[n].label, answers[n].confidence or 0.0, answers[n].abstained)
            for n, gold in enumerate(labels)
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
