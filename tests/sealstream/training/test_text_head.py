"""A trained head: calibrated, as sure as it has to be, written with what was measured; and what INT8 makes of it."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from agents.inference.families import open_text_model
from agents.inference.model_directory import ModelDirectory, open_directory, read_manifest
from agents.inference.model_metrics import METRICS_NAME, ModelMetrics
from agents.inference.onnx_encoder import ENCODER_FILE, TOKENIZER_FILE, EncoderSettings, OnnxEncoder
from agents.inference.onnx_session import CPU
from agents.inference.text_model import TextAnswer
from schemas.errors import ConfigurationError
from sealstream.evaluators.evaluation import LabelledTexts, calibration_error, read_labelled
from sealstream.training.text_head import (
    base_of,
    best_temperature,
    lowest_threshold,
    softmax,
    train_head,
    write_trained,
)
from tests.shared_data import shared
from tests.support import text_models as tiny

FILES = {ENCODER_FILE: tiny.encoder_onnx(), TOKENIZER_FILE: tiny.tokenizer_json()}
SETTINGS = EncoderSettings(dims=tiny.DIMS, max_tokens=tiny.MAX_TOKENS, opset=tiny.OPSET, token_budget=64)


def labelled(count: int, seed: int) -> LabelledTexts:
    """Every text names its label among other words; a tenth names another one."""
    random = np.random.default_rng(seed)
    labels = [str(each) for each in random.choice(tiny.LABELS, count)]
    said = [str(random.choice(tiny.LABELS)) if random.random() < 0.1 else label for label in labels]
    texts = [f"{'the ' * int(random.integers(0, 4))}{word} of may" for word in said]
    return LabelledTexts("made-up test", tuple(texts), tuple(labels))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sealstream.training.encoder_export import ExportedEncoder

    exported = ExportedEncoder(FILES, SETTINGS, 1e-7)
    encoder = OnnxEncoder(FILES, SETTINGS, CPU)
    trained = train_head(encoder, base_of(exported), labelled(900, 1), labelled(300, 2), target=0.9)
    path = tmp_path_factory.mktemp("trained") / "model"
    write_trained(path, trained, 0.9)
    return path


def test_what_was_trained_is_opened_and_answers(written: Path):
    model = open_text_model(written)
    (answer,) = model.answer(model.prepare(["salary of may"]))
    assert answer.label == "salary"
    assert model.model.labels == tuple(sorted(tiny.LABELS))


def test_its_metrics_and_card_stand_under_its_digest(written: Path):
    directory = open_directory(written)
    metrics = msgspec.json.decode(directory.files[METRICS_NAME], type=ModelMetrics)
    assert 0.85 < metrics.accuracy < 1.0
    assert metrics.ece < 0.1
    assert metrics.examples == 300
    assert f"{metrics.accuracy:.2%}" in directory.files["card.md"].decode()
    assert METRICS_NAME in read_manifest(written).files


def test_temperature_undoes_scores_that_are_too_sure():
    random = np.random.default_rng(3)
    scores = random.normal(size=(4_000, 5)) * 2
    right = np.asarray([random.choice(5, p=row) for row in softmax(scores)])
    assert best_temperature(scores * 3, right) == pytest.approx(3, rel=0.15)


@pytest.mark.parametrize(
    ("target", "threshold"),
    [
        pytest.param(1.0, 0.9, id="only-the-surest"),
        pytest.param(0.75, 0.6, id="one-mistake-in-four"),
        pytest.param(0.0, 0.5, id="all"),
    ],
)
def test_the_threshold_is_the_lowest_that_keeps_the_target(target: float, threshold: float):
    confidence = np.asarray([0.9, 0.8, 0.7, 0.6, 0.5])
    hit = np.asarray([0, 1, 0, 0, 1])  # a 1 is the column that is not the most probable one
    assert lowest_threshold(np.stack([confidence, 1 - confidence], axis=1), hit, target) == threshold


def test_no_threshold_is_enough_for_a_model_that_is_wrong():
    assert lowest_threshold(np.asarray([[0.9, 0.1]]), np.asarray([1]), 0.5) == 1.0


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    answers = [TextAnswer("a", 0.8)] * 10
    assert calibration_error(answers, ["a"] * 8 + ["b"] * 2) == pytest.approx(0.0)
    assert calibration_error(answers, ["a"] * 3 + ["b"] * 7) == pytest.approx(0.5)
    assert calibration_error([], []) == 0.0


def test_what_is_no_labelled_csv_is_refused(tmp_path: Path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    for name in ("x.csv", "absent.csv"):
        with pytest.raises(ConfigurationError, match="text and category"):
            read_labelled(tmp_path / name, "x")


def test_banking77_is_learnt_by_the_real_encoder():
    data = shared("data/text_labels/banking77")
    pytest.importorskip("torch", reason="exporting the encoder needs the extra `torch` (4.5 GB)")
    from sealstream.training.encoder_export import export_encoder

    train, test = (read_labelled(data / f"{part}.csv", f"banking77 {part}") for part in ("train", "test"))
    exported = export_encoder()
    encoder = OnnxEncoder(exported.files, exported.settings, CPU)
    some = LabelledTexts(train.name, train.texts[::5], train.labels[::5])
    few = LabelledTexts(test.name, test.texts[::10], test.labels[::10])
    trained = train_head(encoder, base_of(exported), some, few)
    # With all examples it is 0.90 and more, see docs/models.md.
    assert trained.metrics.accuracy > 0.8
    assert trained.metrics.ece < 0.1
    assert isinstance(trained.directory, ModelDirectory)
