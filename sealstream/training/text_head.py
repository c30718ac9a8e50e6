"""Trains a text classifier: logistic regression on the vectors of an exported encoder, calibrated, with a threshold.

    python -m sealstream.training.text_head --encoder DIR --output DIR [--data DIR] [--target 0.98]

Needs the extras `text` and `train`. A tenth of the training set is kept back to find temperature and threshold; the
test set is only looked at by the evaluation. The card is written by `text_head_card`, numbers come from `evaluation`.
"""

import argparse
import sys
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from scipy.optimize import minimize_scalar  # scipy ships no types
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from agents.inference.headed_model import HeadedModel, headed
from agents.inference.linear_head import HEAD_FILE, HeadSettings, head_bytes
from agents.inference.model_directory import CARD_NAME, ModelDirectory, ModelManifest, write_directory
from agents.inference.model_metrics import METRICS_NAME, ModelMetrics
from agents.inference.onnx_encoder import OnnxEncoder
from agents.inference.onnx_session import CPU
from agents.inference.text_encoder import TextEncoder
from schemas.errors import SealstreamError
from sealstream.evaluators.evaluation import LabelledTexts, evaluate, read_labelled
from sealstream.training.encoder_export import ExportedEncoder, read_encoder
from sealstream.training.text_head_card import card

if TYPE_CHECKING:
    from agents.inference.text_encoder import FloatArray

NAME: Final = "banking_intent"
VERSION: Final = "1.0.0"
DEFAULT_DATA: Final = Path("../shared/data/text_labels/banking77")
TARGET: Final = 0.98
"""Accuracy that is wanted of the answers it does not abstain on."""

INVERSE_REGULARISATION: Final = 30.0
ITERATIONS: Final = 300
HELD_OUT: Final = 0.1
SEED: Final = 20_260
FEW: Final = 10
DRAWS: Final = 3
_FRAME: Final = 512


@dataclass(frozen=True, slots=True)
class Trained:
    """A model before it is written.

    Attributes:
        held_out: Examples that temperature and threshold were found on.
        few: Accuracy on the test set of heads that saw ten examples of each label.
    """

    directory: ModelDirectory
    model: HeadedModel
    metrics: ModelMetrics
    held_out: int
    few: float


def vectors_of(encoder: TextEncoder, texts: Sequence[str]) -> "FloatArray":
    """float32 [texts, dims]."""
    parts = [encoder.embed(encoder.prepare(texts[i : i + _FRAME])) for i in range(0, len(texts), _FRAME)]
    return np.concatenate(parts)


def train_head(
    encoder: TextEncoder,
    base: ModelDirectory,
    train: LabelledTexts,
    test: LabelledTexts,
    target: float = TARGET,
) -> Trained:
    """Train, calibrate and measure.

    Args:
        base: Family, encoder files and encoder settings of the model to be; it has no labels and no head of its own.
        target: Accuracy that is wanted of the answers that are not abstained from.

    Raises:
        InferenceFailed: The encoder failed.
    """
    vectors = vectors_of(encoder, train.texts)
    gold = np.asarray(train.labels)
    fitted, kept = train_test_split(np.arange(len(gold)), test_size=HELD_OUT, random_state=SEED, stratify=gold)
    rehearsal = _fit(vectors[fitted], gold[fitted])
    scores = rehearsal.decision_function(vectors[kept])
    right = np.searchsorted(rehearsal.classes_, gold[kept])
    temperature = best_temperature(scores, right)
    threshold = lowest_threshold(softmax(scores / temperature), right, target)
    final = _fit(vectors, gold)
    content = head_bytes(final.coef_.T.astype(np.float32), final.intercept_.astype(np.float32))
    head = HeadSettings(temperature=round(temperature, 4), threshold=round(threshold, 4))
    manifest = msgspec.structs.replace(
        base.manifest,
        labels=tuple(str(label) for label in final.classes_),
        settings=base.manifest.settings | {"head": msgspec.to_builtins(head)},
    )
    directory = ModelDirectory(base.path, manifest, {**base.files, HEAD_FILE: content})
    model = headed(directory, encoder)
    few = few_examples(vectors, gold, vectors_of(encoder, test.texts), np.asarray(test.labels))
    return Trained(directory, model, evaluate(model, directory, test), len(kept), few)


def write_trained(path: Path, trained: Trained, target: float = TARGET) -> ModelManifest:
    """Write the model with its metrics and its card.

    Raises:
        OSError: It may be half written; its manifest is written last.
    """
    manifest = trained.directory.manifest
    files = {
        **trained.directory.files,
        METRICS_NAME: msgspec.json.format(msgspec.json.encode(trained.metrics), indent=2) + b"\n",
        CARD_NAME: card(manifest, trained.metrics, trained.few, trained.held_out, target).encode(),
    }
    return write_directory(path, manifest, files)


def base_of(encoder: ExportedEncoder, name: str = NAME, version: str = VERSION) -> ModelDirectory:
    """What `train_head` builds on, for the family `encoder_head`."""
    manifest = ModelManifest(
        name=name,
        version=version,
        family="encoder_head",
        task="classify",
        modality="text",
        labels=("untrained",),
        files={},
        languages=("en",),
        settings={"encoder": msgspec.to_builtins(encoder.settings)},
    )
    return ModelDirectory(Path(), manifest, encoder.files)


def softmax(scores: Any) -> Any:
    """Probabilities of scores, row by row."""
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def best_temperature(scores: Any, right: Any) -> float:
    """The temperature that makes the probabilities of these scores fit best (log loss).

    Args:
        scores: [examples, labels].
        right: The column of each example's label.
    """

    def loss(temperature: float) -> float:
        chosen = softmax(scores / temperature)[np.arange(len(right)), right]
        return float(-np.log(np.maximum(chosen, 1e-12)).mean())

    return float(minimize_scalar(loss, bounds=(0.1, 5.0), method="bounded").x)


def lowest_threshold(probabilities: Any, right: Any, target: float) -> float:
    """The lowest threshold at which those above it are right often enough; 1 when there is none.

    Args:
        probabilities: [examples, labels].
        right: The column of each example's label.
        target: Share of right ones, 0 to 1.
    """
    confidence, hit = probabilities.max(axis=1), probabilities.argmax(axis=1) == right
    order = np.argsort(-confidence, kind="stable")
    good = np.cumsum(hit[order]) / np.arange(1, len(order) + 1) >= target
    return float(confidence[order][np.flatnonzero(good)[-1]]) if good.any() else 1.0


def few_examples(vectors: "FloatArray", gold: Any, test_vectors: "FloatArray", test_gold: Any) -> float:
    """Mean accuracy of heads that saw `FEW` examples of each label, over `DRAWS` draws: what papers report."""
    random = np.random.default_rng(SEED)
    found = []
    for _ in range(DRAWS):
        order = random.permutation(len(gold))
        drawn = np.concatenate([order[gold[order] == label][:FEW] for label in np.unique(gold)])
        found.append(float((_fit(vectors[drawn], gold[drawn]).predict(test_vectors) == test_gold).mean()))
    return float(np.mean(found))


def _fit(vectors: "FloatArray", gold: Any) -> LogisticRegression:
    model = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=ITERATIONS, tol=1e-3)
    with warnings.catch_warnings():
        # Stopping after a number of iterations is meant; the test set says whether it was enough.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(vectors, gold)
    return model


def main(arguments: Iterable[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sealstream.training.text_head", description=__doc__)
    parser.add_argument("--encoder", type=Path, required=True, help="folder of an exported encoder")
    parser.add_argument("--output", type=Path, required=True, help="model directory")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder with train.csv and test.csv")
    parser.add_argument("--target", type=float, default=TARGET, help="accuracy wanted of what it answers itself")
    options = parser.parse_args(None if arguments is None else list(arguments))
    try:
        exported = read_encoder(options.encoder)
        encoder = OnnxEncoder(exported.files, exported.settings, CPU)
        train, test = (read_labelled(options.data / f"{part}.csv", f"banking77 {part}") for part in ("train", "test"))
        trained = train_head(encoder, base_of(exported), train, test, options.target)
    except SealstreamError as exc:
        print(exc, file=sys.stderr)
        return 1
    write_trained(options.output, trained, options.target)
    print((options.output / CARD_NAME).read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
