"""Model directories for tests: other versions of the shipped model, whose answers tell which version gave them."""

from pathlib import Path
from typing import Any

import msgspec

from agents.inference.evaluation import Evaluation
from agents.inference.model_directory import CARD_NAME, open_directory, write_directory
from agents.inference.transaction_kind import MODEL_DIRECTORY


def other_version(path: Path, version: str = "2.0.0", *, shift: int = 1, **changes: Any) -> Path:
    """The shipped model under another version, every answer moved on by some labels."""
    shipped = open_directory(MODEL_DIRECTORY)
    labels = shipped.manifest.labels
    moved = labels[shift:] + labels[:shift]
    manifest = msgspec.structs.replace(shipped.manifest, version=version, labels=moved, **changes)
    write_directory(path, manifest, shipped.files)
    (path / CARD_NAME).write_text(f"# {version}\n", encoding="utf-8")
    return path


def measured(score: float, *, dataset: str = "entries", digest: str = "aa") -> Evaluation:
    """An evaluation with this score."""
    return Evaluation(dataset=dataset, digest=digest, items=100, score=score, macro_f1=score)
