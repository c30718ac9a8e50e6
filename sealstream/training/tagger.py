"""Train the English tagger on Presidio's sentences and made-up ones, measure it on templates it has not seen, write it.

    python -m sealstream.training.tagger PRESIDIO OUTPUT

Needs the extras `text`, `torch` and `train`. The model is not in the repository: it is made on the spot.
"""

import argparse
import hashlib
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from sklearn.linear_model import LogisticRegression

from agents.inference.engine import ModelIdentity
from agents.inference.extraction_scores import LabelledText, evaluate_extraction
from agents.inference.families import CPU
from agents.inference.model_directory import CARD_NAME, ModelManifest, write_directory
from agents.inference.tagger.model import UNCALIBRATED, Calibration, TaggerModel
from agents.inference.text_model import TextModel
from sealstream.evaluators.presidio import load_presidio
from sealstream.training.encoder_export import wheel_directory
from sealstream.training.tagger_card import card, finds
from sealstream.training.tagger_network import SEED, Settings, train
from sealstream.training.tagger_texts import Texts

NAME: Final = "names_en"
VERSION: Final = "2.0.0"
KINDS: Final = ("PERSON", "ORGANIZATION", "LOCATION", "ADDRESS")
TEXTS: Final = 6_000
CALIBRATION_QUARTER: Final = 1
"""Of the training templates. Layers and the number of texts were chosen on quarter 0 (decision 86)."""


def texts_to_learn(presidio: Sequence[LabelledText], count: int = TEXTS) -> list[LabelledText]:
    """What the model learns: half of it Presidio's sentences with other values, half our own."""
    return list(Texts(random.Random(SEED), presidio).draw(count))  # noqa: S311  no secret


def open_trained(files: Mapping[str, bytes], calibration: Calibration = UNCALIBRATED) -> TaggerModel:
    """A model that has no directory yet, for measuring it."""
    return TaggerModel(ModelIdentity(NAME, VERSION, "", KINDS), files, calibration, CPU)


def split(presidio: Sequence[LabelledText], quarter: int) -> tuple[list[LabelledText], list[LabelledText]]:
    """The texts of three quarters of the templates, and those of the quarter of this number."""
    # The first byte decides about the test side.
    held_out = [hashlib.sha256(each.group.encode()).digest()[1] % 4 == quarter for each in presidio]
    return (
        [each for each, out in zip(presidio, held_out, strict=True) if not out],
        [each for each, out in zip(presidio, held_out, strict=True) if out],
    )


def calibrated(model: TextModel, held_out: Sequence[LabelledText]) -> Calibration:
    """Fit the calibration on texts of templates that the model was not trained on.

    A template counts as the root of its finds, since what stands in one template is right or wrong together.
    """
    groups: dict[str, list[LabelledText]] = {}
    for each in held_out:
        groups.setdefault(each.group, []).append(each)
    found = [finds(model, texts) for texts in groups.values()]
    odds = [[math.log(sure / (1 - sure))] for part in found for sure, _ in part]
    weights = [len(part) ** -0.5 for part in found for _ in part]
    # The mean weight is 1, as the regularisation expects.
    weights = [each * len(weights) / sum(weights) for each in weights]
    fitted = LogisticRegression().fit(odds, [right for part in found for _, right in part], sample_weight=weights)
    return Calibration(round(float(fitted.coef_[0][0]), 4), round(float(fitted.intercept_[0]), 4))


def main() -> None:
    """Train, measure, write, print the card."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("presidio", type=Path, help="root of presidio-research")
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    training, testing = load_presidio(arguments.presidio, "train"), load_presidio(arguments.presidio, "test")
    kept, held_out = split(training.texts, CALIBRATION_QUARTER)
    without = open_trained(train(texts_to_learn(kept), KINDS, wheel_directory(), Settings()))
    calibration = calibrated(without, held_out)
    learnt = texts_to_learn(training.texts)
    files = train(learnt, KINDS, wheel_directory(), Settings())
    model = open_trained(files, calibration)
    text = card(model, evaluate_extraction(model, testing), training, learnt, testing)
    manifest = ModelManifest(
        name=NAME,
        version=VERSION,
        family="tagger",
        task="extract",
        modality="text",
        labels=KINDS,
        files={},
        languages=("en",),
        settings={"calibration": msgspec.to_builtins(calibration)},
    )
    written = write_directory(arguments.output, manifest, {**files, CARD_NAME: text.encode()})
    print(text)
    print(f"{written.name}@{written.version} {written.digest}, {sum(map(len, files.values()))} bytes")


if __name__ == "__main__":
    main()
