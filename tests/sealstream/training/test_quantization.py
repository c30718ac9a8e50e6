"""INT8 versions of a model: a directory of their own, with what was lost and saved."""

from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from agents.inference.families import open_text_model
from agents.inference.linear_head import HEAD_FILE
from agents.inference.model_directory import open_directory, write_directory
from agents.inference.model_metrics import METRICS_NAME, ModelMetrics
from agents.inference.onnx_encoder import ENCODER_FILE
from schemas.errors import ConfigurationError
from sealstream.evaluators.evaluation import LabelledTexts
from sealstream.training.quantization import Method, quantize
from tests.support import text_models as tiny

TEST = LabelledTexts("made-up test", ("fee", "the salary", "rent of may"), tiny.LABELS)


def with_layers() -> bytes:
    """The tiny encoder with a feed-forward block between tokens and mean: one MatMul widens, one narrows."""
    model = onnx.load_from_string(tiny.encoder_onnx())
    wide = np.zeros((tiny.DIMS, 4 * tiny.DIMS), dtype=np.float32)
    wide[:, : tiny.DIMS] = np.eye(tiny.DIMS)
    for name, value in (("wide", wide), ("narrow", wide.T.copy())):
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    gather = model.graph.node[0]
    gather.output[0] = "looked_up"
    model.graph.node.insert(1, helper.make_node("MatMul", ["looked_up", "wide"], ["widened"], name="first"))
    model.graph.node.insert(2, helper.make_node("MatMul", ["widened", "narrow"], ["rows"], name="second"))
    return bytes(model.SerializeToString())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_directory(tmp_path / "model", tiny.manifest(), tiny.files(encoder=with_layers()))
    return tmp_path / "model"


@pytest.mark.parametrize("method", ["dynamic", "static"])
def test_the_new_version_answers_alike_with_symmetric_weights_for_each_channel(
    source: Path, tmp_path: Path, method: Method
):
    target = tmp_path / "int8"
    before, after = quantize(source, target, "1.0.0-int8", method, TEST, ["the fee", "salary", "rent may"])
    model = open_text_model(target)
    assert [each.label for each in model.answer(model.prepare(TEST.texts))] == list(TEST.labels)
    assert (before.accuracy, after.accuracy) == (1.0, 1.0)
    graph = onnx.load_from_string(open_directory(target).files[ENCODER_FILE])
    weights = [each for each in graph.graph.initializer if each.data_type == TensorProto.INT8 and len(each.dims) == 2]
    assert [tuple(each.dims) for each in weights] == [(tiny.DIMS, 4 * tiny.DIMS)]
    zeros = [each for each in graph.graph.initializer if each.name.startswith("wide_") and "zero_point" in each.name]
    assert zeros
    assert all(not numpy_helper.to_array(each).any() for each in zeros)
    assert all(numpy_helper.to_array(each).size == 4 * tiny.DIMS for each in zeros)
    assert any(node.name == "second" and node.op_type == "MatMul" for node in graph.graph.node)


def test_metrics_and_card_are_the_new_ones_and_name_the_old_version(source: Path, tmp_path: Path):
    old = open_directory(source).manifest
    _, after = quantize(source, tmp_path / "int8", "1.0.0-int8", "dynamic", TEST)
    directory = open_directory(tmp_path / "int8")
    assert directory.manifest.version == "1.0.0-int8"
    assert directory.manifest.digest != old.digest
    assert msgspec.json.decode(directory.files[METRICS_NAME], type=ModelMetrics) == after
    assert old.digest in directory.files["card.md"].decode()


def test_static_without_texts_to_calibrate_on_is_refused(source: Path, tmp_path: Path):
    with pytest.raises(ConfigurationError, match="calibrate"):
        quantize(source, tmp_path / "int8", "2", "static", TEST)
    assert not (tmp_path / "int8").exists()


def test_a_model_without_an_onnx_encoder_is_refused(tmp_path: Path):
    write_directory(tmp_path / "model", tiny.manifest(family="torch_head"), {HEAD_FILE: tiny.head()})
    with pytest.raises(ConfigurationError, match=r"encoder\.onnx"):
        quantize(tmp_path / "model", tmp_path / "int8", "2", "dynamic", TEST)
