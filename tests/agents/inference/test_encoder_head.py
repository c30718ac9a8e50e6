"""An encoder with a head: answers whatever it is given, and is not loaded unless everything fits."""

import threading
from pathlib import Path

import numpy as np
import pytest

from agents.inference.engine import InferenceFailed
from agents.inference.families import open_text_model
from agents.inference.headed_model import HeadedModel
from agents.inference.linear_head import HEAD_FILE
from agents.inference.model_directory import write_directory
from agents.inference.onnx_encoder import ENCODER_FILE
from agents.inference.text_model import DeviceFailed, PreparedText, TextAnswer
from schemas.errors import ConfigurationError
from tests.support import text_models as tiny

HEAD = {"temperature": 1.0, "threshold": 0.5}
ENCODER = {"dims": tiny.DIMS, "max_tokens": tiny.MAX_TOKENS, "opset": tiny.OPSET, "token_budget": 64}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> HeadedModel:
    loaded = open_text_model(tiny.write_tiny(tmp_path_factory.mktemp("models") / "tiny"))
    assert isinstance(loaded, HeadedModel)
    return loaded


def answers(model: HeadedModel, *texts: str) -> list[TextAnswer]:
    return model.answer(model.prepare(texts))


def test_a_text_gets_the_label_it_speaks_of(model: HeadedModel):
    found = answers(model, "The fee of May", "salary", "rent rent rent")
    assert [each.label for each in found] == ["fee", "salary", "rent"]
    assert all(each.confidence is not None and 0.5 < each.confidence <= 1.0 and not each.abstained for each in found)


def test_it_abstains_below_its_threshold_and_still_says_what_is_most_probable(model: HeadedModel):
    (answer,) = answers(model, "may")
    assert answer.abstained
    assert answer.label in tiny.LABELS


def test_a_batch_of_many_lengths_is_answered_in_order_as_each_alone(model: HeadedModel):
    texts = [f"{'the ' * (place % 13)}{tiny.LABELS[place % 3]}" for place in range(300)]
    together = answers(model, *texts)
    alone = [answers(model, text)[0] for text in texts]
    assert [each.label for each in together] == [each.label for each in alone]
    assert [each.confidence for each in together] == pytest.approx([each.confidence for each in alone], abs=1e-5)


def test_no_texts_have_no_answers(model: HeadedModel):
    assert model.answer([]) == []
    assert model.prepare([]) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("a" * 2_000_000, id="one-huge-word"),
        pytest.param("fee " * 500_000, id="many-words"),
        pytest.param("利" * 1_000_000, id="huge-chinese"),
        pytest.param(" \t\n\u2028" * 1_000, id="blanks"),
        pytest.param("\x00\x01\x1b[31m\x7f\x9b", id="controls"),
        pytest.param("رسوم بنكية ‏עמלה\u202e", id="right-to-left"),
        pytest.param("fee利息Ünïcode๑ไทย한국어", id="mixed-scripts"),
        pytest.param("\ud800 broken \udfff", id="lone-surrogates"),
        pytest.param("\ud83d\ude00", id="a-pair-that-was-never-joined"),
        pytest.param("🏧" * 100 + "\u0301" * 300, id="emoji-and-combining-marks"),
        pytest.param("\ufdfa" * 600, id="expanding-form"),
        pytest.param("[CLS] [SEP] [PAD] [UNK]", id="the-tokenizers-own-marks"),
    ],
)
def test_odd_text_is_cut_and_answered(model: HeadedModel, text: str):
    (prepared,) = model.prepare([text])
    assert 1 <= prepared.tokens <= tiny.MAX_TOKENS
    assert len(prepared.ids) == 4 * prepared.tokens
    prepared.text.encode()
    (answer,) = model.answer([prepared])
    assert answer.label in tiny.LABELS


def test_replacing_surrogates_keeps_the_places_of_all_others(model: HeadedModel):
    (prepared,) = model.prepare(["a\ud800b\udfffc"])
    assert prepared.text == "a\ufffdb\ufffdc"


@pytest.mark.parametrize(
    "prepared",
    [
        pytest.param(PreparedText("fee", b"", 1), id="no-ids"),
        pytest.param(PreparedText("fee", bytes(4 * (tiny.MAX_TOKENS + 1)), tiny.MAX_TOKENS + 1), id="too-long"),
        pytest.param(PreparedText("fee", np.asarray([1 << 30], dtype=np.int32).tobytes(), 1), id="beyond-the-table"),
    ],
)
def test_what_another_model_prepared_fails_the_batch_and_not_the_device(model: HeadedModel, prepared: PreparedText):
    with pytest.raises(InferenceFailed) as caught:
        model.answer([prepared])
    assert not isinstance(caught.value, DeviceFailed)
    assert answers(model, "fee")[0].label == "fee"


def test_padding_is_counted_and_stays_under_a_twentieth(model: HeadedModel):
    before = model.padding
    answers(model, *["the " * (place % 13) for place in range(500)])
    tokens, padded = model.padding.tokens - before.tokens, model.padding.padded - before.padded
    assert tokens == sum(2 + place % 13 for place in range(500))
    assert tokens <= padded <= tokens / 0.95


def test_threads_share_the_buffers_and_keep_their_answers_apart(model: HeadedModel):
    wrong: list[str] = []

    def work(label: str) -> None:
        for _ in range(50):
            wrong.extend(each.label or "" for each in answers(model, *[label] * 20) if each.label != label)

    threads = [threading.Thread(target=work, args=(label,)) for label in tiny.LABELS * 2]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert wrong == []


def refused(tmp_path: Path, match: str, content: dict[str, bytes], **changes: object) -> None:
    write_directory(tmp_path / "tiny", tiny.manifest(**changes), content)
    with pytest.raises(ConfigurationError, match=match):
        open_text_model(tmp_path / "tiny")


@pytest.mark.parametrize(
    ("match", "content"),
    [
        pytest.param("whole ONNX file", {"encoder": tiny.encoder_onnx()[:-40]}, id="truncated-and-digested-so"),
        pytest.param("operator set None", {"encoder": b""}, id="empty-graph"),
        pytest.param("whole ONNX file", {"encoder": b"\xff" * 64}, id="no-graph"),
        pytest.param("operator set 13", {"encoder": tiny.encoder_onnx(opset=13)}, id="another-opset"),
        pytest.param("vectors", {"encoder": tiny.encoder_onnx(spoil=True)}, id="weight-that-is-no-number"),
        pytest.param("vectors", {"encoder": tiny.encoder_onnx(drop_rows=True)}, id="too-few-rows"),
        pytest.param("tokenizer", {"tokenizer": b"{}"}, id="no-tokenizer"),
        pytest.param("does not fit", {"head": tiny.head()[:-4]}, id="truncated-head"),
        pytest.param("no numbers", {"head": tiny.head(float("nan"))}, id="head-that-is-no-number"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, match: str, content: dict[str, bytes]):
    refused(tmp_path, match, tiny.files(**content))


@pytest.mark.parametrize(
    ("match", "changes"),
    [
        pytest.param("2 labels", {"labels": ("fee", "salary")}, id="too-few-labels"),
        pytest.param("4 labels", {"labels": ("fee", "salary", "rent", "tax")}, id="too-many-labels"),
        pytest.param("settings.head", {"settings": {"encoder": ENCODER}}, id="no-head-settings"),
        pytest.param("settings.encoder", {"settings": {"head": HEAD}}, id="no-encoder-settings"),
        pytest.param(
            "temperature", {"settings": {"encoder": ENCODER, "head": HEAD | {"temperature": 0}}}, id="temperature"
        ),
        pytest.param(
            "7 numbers", {"settings": {"encoder": ENCODER | {"dims": 7}, "head": HEAD}}, id="other-dimensions"
        ),
        pytest.param(
            "budget", {"settings": {"encoder": ENCODER | {"token_budget": 1}, "head": HEAD}}, id="budget-too-small"
        ),
        pytest.param("classifier", {"task": "extract"}, id="another-task"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(tmp_path: Path, match: str, changes: dict[str, object]):
    refused(tmp_path, match, tiny.files(), **changes)


@pytest.mark.parametrize("name", [ENCODER_FILE, HEAD_FILE])
def test_a_file_that_is_not_there_is_refused(tmp_path: Path, name: str):
    content = tiny.files()
    del content[name]
    refused(tmp_path, name, content)


def test_a_file_changed_after_its_release_is_refused(tmp_path: Path):
    path = tiny.write_tiny(tmp_path / "tiny")
    (path / ENCODER_FILE).write_bytes((path / ENCODER_FILE).read_bytes()[:-1])
    with pytest.raises(ConfigurationError, match="SHA-256"):
        open_text_model(path)


def test_another_provider_than_the_one_asked_for_is_refused(tmp_path: Path):
    path = tiny.write_tiny(tmp_path / "tiny")
    with pytest.raises(ConfigurationError, match="NoSuchExecutionProvider"):
        open_text_model(path, "NoSuchExecutionProvider")
