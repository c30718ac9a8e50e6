"""The PyTorch engine answers as the ONNX engine does, and runs on the device it was asked to, or not at all."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `torch` (4.5 GB)")

import torch
from safetensors.torch import save
from transformers import BertConfig, BertModel

from agents.inference.engine import InferenceFailed
from agents.inference.families import open_text_model
from agents.inference.linear_head import HEAD_FILE, head_bytes
from agents.inference.model_directory import write_directory
from agents.inference.onnx_encoder import ENCODER_FILE, INPUTS, OUTPUT, TOKENIZER_FILE, EncoderSettings, OnnxEncoder
from agents.inference.onnx_session import CPU, CUDA
from agents.inference.text_model import PreparedText
from agents.inference.torch_encoder import TorchEncoder
from agents.inference.torch_pooling import CONFIG_FILE, WEIGHTS_FILE, pooled_encoder
from schemas.errors import ConfigurationError
from sealstream.training.encoder_export import _exported, parity
from tests.support import text_models as tiny

DIMS = 8
SETTINGS = {"dims": DIMS, "max_tokens": tiny.MAX_TOKENS}
HEAD = {"temperature": 1.0, "threshold": 0.5}
TEXTS = ["", "the fee of may", "salary", "利息 rent", "the " * 40, "\ud800"]


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(tiny.VOCABULARY),
        hidden_size=DIMS,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=tiny.MAX_TOKENS,
    )
    tensors = {name: value.contiguous() for name, value in BertModel(config).state_dict().items()}
    weights = np.random.default_rng(7).normal(size=(DIMS, len(tiny.LABELS))).astype(np.float32)
    return {
        CONFIG_FILE: config.to_json_string().encode(),
        WEIGHTS_FILE: save(tensors),
        TOKENIZER_FILE: tiny.tokenizer_json(),
        HEAD_FILE: head_bytes(weights, np.zeros(len(tiny.LABELS), dtype=np.float32)),
    }


def written(path: Path, files: dict[str, bytes], **settings: object) -> Path:
    manifest = tiny.manifest(family="torch_head", settings={"encoder": SETTINGS | settings, "head": HEAD})
    write_directory(path, manifest, files)
    return path


def test_it_computes_what_the_exported_graph_computes(files: dict[str, bytes], tmp_path: Path):
    original = pooled_encoder(files)
    graph = _exported(original, torch)
    assert parity(original, graph, original.vocabulary, ((1, 1), (3, 7), (2, 16))) < 1e-5
    onnx_settings = EncoderSettings(**SETTINGS, opset=17, token_budget=64)
    through_onnx = OnnxEncoder({ENCODER_FILE: graph, TOKENIZER_FILE: files[TOKENIZER_FILE]}, onnx_settings, CPU)
    model = open_text_model(written(tmp_path / "torch", files))
    encoder = model._encoder
    assert isinstance(encoder, TorchEncoder)
    prepared = model.prepare(TEXTS)
    assert prepared == through_onnx.prepare(TEXTS)
    assert np.abs(encoder.embed(prepared) - through_onnx.embed(prepared)).max() < 1e-5
    assert (INPUTS, OUTPUT) == (("input_ids", "attention_mask"), "embedding")
    assert [each.label in tiny.LABELS for each in model.answer(prepared)] == [True] * len(TEXTS)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("provider", [CUDA, "cuda:0", "npu:0", "nonsense"])
def test_a_device_that_is_not_there_is_refused(files: dict[str, bytes], tmp_path: Path, provider: str):
    path = written(tmp_path / "torch", files)
    with pytest.raises(ConfigurationError, match="no device"):
        open_text_model(path, provider)


@pytest.mark.parametrize("name", [CONFIG_FILE, WEIGHTS_FILE])
def test_weights_that_are_missing_or_damaged_are_refused(files: dict[str, bytes], tmp_path: Path, name: str):
    with pytest.raises(ConfigurationError):
        open_text_model(written(tmp_path / "missing", {key: files[key] for key in files if key != name}))
    with pytest.raises(ConfigurationError):
        open_text_model(written(tmp_path / "damaged", files | {name: files[name][:-9]}))


def test_other_dimensions_than_the_manifests_are_refused(files: dict[str, bytes], tmp_path: Path):
    with pytest.raises(ConfigurationError, match="8 numbers"):
        open_text_model(written(tmp_path / "torch", files, dims=9))


def test_ids_beyond_the_vocabulary_fail_the_batch(files: dict[str, bytes], tmp_path: Path):
    model = open_text_model(written(tmp_path / "torch", files))
    with pytest.raises(InferenceFailed):
        model.answer([PreparedText("x", np.asarray([1 << 20], dtype=np.int32).tobytes(), 1)])
