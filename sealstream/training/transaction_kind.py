"""Trains the transaction-kind model on made-up entries and measures it on real coded ones, the code hidden.

    python -m sealstream.training.transaction_kind [--evaluate-only] [--data DIR] [--output DIR] [--size N]

Writes `model.onnx`, `model.json` and `card.md`. The examples come from `transaction_kind_examples`, the
classifier from `hashed_bag`, the measure on real entries and the text of the card from `transaction_kind_card`.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import msgspec
from sklearn.linear_model import LogisticRegression

from agents.inference.features import FeatureParameters
from agents.inference.model_directory import ModelManifest, write_directory
from agents.inference.onnx_engine import FAMILY, MODEL_FILE, OnnxEngine
from agents.inference.transaction_kind import MODEL_DIRECTORY
from sealstream.evaluators.camt_entries import coded_entries
from sealstream.evaluators.report import Scores, class_table, comparison_table, score
from sealstream.samples.narratives import KINDS
from sealstream.training import hashed_bag
from sealstream.training.transaction_kind_card import RealMeasurement, card, measure_real
from sealstream.training.transaction_kind_examples import MIXED_SHARE, Examples, make_examples, split_wordings

NAME = "transaction_kind"
VERSION = "1.0.0"
SEED = 20_260
FEATURES = FeatureParameters(buckets=1 << 14)
INVERSE_REGULARISATION = 6.0
ITERATIONS = 200
DEFAULT_SIZE = 60_000
DEFAULT_DATA = Path("../shared/data/iso20022")


def train(output: Path, size: int = DEFAULT_SIZE) -> Scores:
    """Train the model and write `model.onnx` and `model.json`.

    A first model, without a quarter of the phrases, is measured on that quarter: its scores are returned and its
    temperature is used. The model that is written has seen all phrases.

    Args:
        output: Directory for the files; made when missing.
        size: Examples to train on.
    """
    kept, held = split_wordings(SEED)
    unseen = make_examples(max(size // 5, 500), SEED + 1, held)
    unseen_matrix = hashed_bag.matrix(unseen.inputs, FEATURES)
    rehearsal = _fit(make_examples(size, SEED + 2, kept, MIXED_SHARE))
    temperature = hashed_bag.temperature(rehearsal, unseen_matrix, unseen.kinds)
    scores = score(unseen.kinds, [str(kind) for kind in rehearsal.predict(unseen_matrix)])

    model = _fit(make_examples(size, SEED + 3, mixed_share=MIXED_SHARE))
    hashed_bag.cool(model, temperature)
    write_model(output, model)
    return scores


def write_model(output: Path, model: LogisticRegression) -> None:
    """Write `model.onnx` and the `model.json` that names its digest, labels and features."""
    manifest = ModelManifest(
        name=NAME,
        version=VERSION,
        family=FAMILY,
        task="classify",
        modality="transaction",
        labels=tuple(str(label) for label in model.classes_),
        files={},
        settings=msgspec.to_builtins(FEATURES),
    )
    write_directory(output, manifest, {MODEL_FILE: hashed_bag.to_onnx(model)})


def _fit(examples: Examples) -> LogisticRegression:
    features = hashed_bag.matrix(examples.inputs, FEATURES)
    return hashed_bag.fit(features, examples.kinds, INVERSE_REGULARISATION, ITERATIONS)


def evaluate(model_directory: Path, data: Path) -> RealMeasurement | None:
    """Measure a model directory on the coded entries below a folder; None when there are none."""
    entries = coded_entries(data) if data.is_dir() else []
    return measure_real(OnnxEngine(model_directory), entries, data) if entries else None


def main(arguments: Iterable[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sealstream.training.transaction_kind", description=__doc__)
    parser.add_argument("--evaluate-only", action="store_true", help="measure the model in the output directory")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder of camt messages with coded entries")
    parser.add_argument("--output", type=Path, default=MODEL_DIRECTORY, help="model directory")
    parser.add_argument("--size", type=int, default=DEFAULT_SIZE, help="examples to train on")
    options = parser.parse_args(None if arguments is None else list(arguments))
    output = cast("Path", options.output)
    unseen = None if options.evaluate_only else train(output, options.size)
    real = evaluate(output, options.data)
    if real is None:
        print(f"no coded entries below {options.data}; name their folder with --data", file=sys.stderr)
        if options.evaluate_only:
            return 1
    if unseen is not None:
        print("Made-up entries, wording not trained on:\n\n" + comparison_table({"model": unseen}))
        print("\n" + class_table(unseen) + "\n")
        (output / "card.md").write_text(card(KINDS, options.size, unseen, real), encoding="utf-8")
    if real is not None:
        print("Real entries:\n\n" + real.as_markdown())
    return 0


if __name__ == "__main__":
    sys.exit(main())
