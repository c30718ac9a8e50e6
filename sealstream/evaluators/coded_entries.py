"""Real bank statements whose entries bear a bank transaction code: it is the label, and the model does not see it."""

import hashlib
from pathlib import Path

from agents.inference.evaluation import Evaluation
from agents.inference.onnx_engine import OnnxEngine
from agents.inference.transaction_kind import model_input
from schemas.errors import ConfigurationError
from sealstream.evaluators.camt_entries import coded_entries
from sealstream.evaluators.scoring import Answered, scored


def evaluate(model: Path, data: Path, dataset: str) -> Evaluation:
    """Have a model of transactions answer every coded entry below a folder; see `Evaluator`."""
    entries = coded_entries(data) if data.is_dir() else []
    if not entries:
        raise ConfigurationError(f"no coded entries below {data}; name a folder of camt messages")
    decisions = OnnxEngine(model).classify([model_input(entry.transaction) for entry in entries])
    digest = hashlib.sha256()
    for path in sorted({entry.file for entry in entries}):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return scored(
        dataset,
        digest.hexdigest(),
        [
            Answered(entry.kind, decision.label, decision.confidence)
            for entry, decision in zip(entries, decisions, strict=True)
        ],
    )
