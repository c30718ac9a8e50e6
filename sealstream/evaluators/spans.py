"""Texts with the values that are in them, as Presidio's files have them: how an extractor finds them."""

import hashlib
from pathlib import Path

from agents.inference.evaluation import Evaluation, LabelScore
from agents.inference.extraction_scores import KindScore, evaluate_extraction
from agents.inference.families import open_text_model
from sealstream.evaluators.presidio import FILES, load_presidio


def evaluate(model: Path, data: Path, dataset: str) -> Evaluation:
    """Have an extractor read the sentences that are for testing; see `Evaluator`.

    The score is the micro-averaged F1 over the kinds that are labelled and that the model knows, spans being right when
    both ends are.
    """
    report = evaluate_extraction(open_text_model(model), load_presidio(data, "test"))
    return Evaluation(
        dataset=dataset,
        digest=_digest(data),
        items=report.texts,
        score=report.overall.strict.f1,
        macro_f1=sum(each.strict.f1 for each in report.kinds) / max(len(report.kinds), 1),
        labels={each.kind: _scored(each) for each in report.kinds},
    )


def _scored(each: KindScore) -> LabelScore:
    strict = each.strict
    return LabelScore(support=strict.support, precision=strict.precision, recall=strict.recall, f1=strict.f1)


def _digest(data: Path) -> str:
    """SHA-256 over the files' own, in their order."""
    return hashlib.sha256(b"".join(hashlib.sha256((data / name).read_bytes()).digest() for name in FILES)).hexdigest()
