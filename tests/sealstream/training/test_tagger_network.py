"""Training the tagger's network, on an encoder in miniature: what it learns, and that its graph computes the same."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `torch` (4.5 GB)")

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import BertConfig, BertModel

from agents.inference.engine import ModelIdentity
from agents.inference.extraction_scores import Label, LabelledText
from agents.inference.families import CPU
from agents.inference.onnx_encoder import TOKENIZER_FILE
from agents.inference.onnx_session import open_session
from agents.inference.tagger.graph import GRAPH_FILE, INPUTS, OUTPUT
from agents.inference.tagger.model import UNCALIBRATED, TaggerModel
from agents.inference.tagger.tokens import SHAPES
from sealstream.training.tagger_network import Settings, TaggerNetwork, exported, train

LETTERS = "abcdefghijklmnopqrstuvwxyz.,"
NAMES = ["Anna Berg", "John Smith", "Mary Jones", "Peter Hall", "Lucy Brown", "Omar Said", "Ida Holm", "Tom Reed"]
FRAMES = ["Please pay {} today.", "My name is {} and I live here.", "Send it to {}, please.", "{} signed the contract."]
SETTINGS = Settings(layers=1, batch=8, rate=3e-3, new_rate=3e-3, hidden=0.0)
CONFIG = {
    "vocab_size": 5 + 2 * len(LETTERS),
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}


def sentence(frame: str, name: str) -> LabelledText:
    start = frame.index("{}")
    return LabelledText(frame.format(name), (Label("PERSON", start, start + len(name)),))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small BERT that has learnt nothing, and a tokenizer that knows letters."""
    path = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(1)
    encoder = BertModel(BertConfig(**CONFIG), add_pooling_layer=False)
    save_file(encoder.state_dict(), path / "model.safetensors")
    (path / "config.json").write_text(json.dumps(CONFIG))
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{each}" for each in LETTERS)]
    tokenizer = Tokenizer(models.WordPiece({each: at for at, each in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    (path / TOKENIZER_FILE).write_text(tokenizer.to_str())
    return path


def test_a_name_that_was_never_seen_is_found_by_how_it_is_written(folder: Path) -> None:
    texts = [sentence(frame, name) for frame in FRAMES for name in NAMES] * 40
    files = train(texts, ("PERSON",), folder, SETTINGS)
    model = TaggerModel(ModelIdentity("names", "1", "", ("PERSON",)), files, UNCALIBRATED, CPU)
    text = "Please pay Zoe Quist today."
    (answer,) = model.answer(model.prepare([text]))
    assert [text[each.start : each.end] for each in answer.extracted] == ["Zoe Quist"]
    assert model.padding.tokens > 0


def test_training_again_gives_the_same_model(folder: Path) -> None:
    texts = [sentence(frame, name) for frame in FRAMES for name in NAMES]
    assert train(texts, ("PERSON",), folder, SETTINGS) == train(texts, ("PERSON",), folder, SETTINGS)


def test_the_graph_computes_what_the_network_does(folder: Path) -> None:
    torch.manual_seed(2)
    encoder = BertModel(BertConfig(**CONFIG, attn_implementation="eager"), add_pooling_layer=False)
    network = TaggerNetwork(encoder, 3)
    session = open_session(exported(network))
    random = np.random.default_rng(3)
    for batch, length in ((1, 2), (3, 17), (5, 60)):
        ids = random.integers(0, CONFIG["vocab_size"], (batch, length))
        mask = (np.arange(length)[None, :] < random.integers(1, length + 1, (batch, 1))).astype(np.int64)
        shapes = random.integers(0, SHAPES, (batch, length))
        with torch.no_grad():
            wanted = network(*map(torch.from_numpy, (ids, mask, shapes))).numpy()
        (given,) = session.run([OUTPUT], dict(zip(INPUTS, (ids, mask, shapes), strict=True)))
        assert np.abs(wanted - given).max() < 1e-5


def test_a_text_that_is_too_long_is_left_out(folder: Path) -> None:
    texts = [sentence(FRAMES[0], name) for name in NAMES]
    long = LabelledText("a " * 200, ())
    assert train([*texts, long], ("PERSON",), folder, SETTINGS) == train(texts, ("PERSON",), folder, SETTINGS)
    assert GRAPH_FILE in train(texts, ("PERSON",), folder, SETTINGS)
