"""The English tagger: words, labels and spans; a small model of our own sentences, trained on the spot."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pycrfsuite", reason="needs the extra `text`")

from agents.inference.extraction_scores import Label, LabelledText
from agents.inference.families import open_text_model
from agents.inference.model_directory import ModelManifest, write_directory
from agents.inference.tagger.labels import to_labels, to_runs
from agents.inference.tagger.model import MODEL_FILE, Calibration
from agents.inference.tagger.tokens import LONGEST_PIECE, LONGEST_WORD, pieces
from agents.inference.text_model import TextModel
from schemas.errors import ConfigurationError
from sealstream.training.tagger import train

NAMES = ["Anna Berg", "John Smith", "Mary Jones", "Peter Hall", "Lucy Brown", "Omar Said", "Ida Holm", "Tom Reed"]
FRAMES = ["Please pay {} today.", "My name is {} and I live here.", "Send it to {}, please.", "{} signed the contract."]
MANIFEST = ModelManifest(
    name="names",
    version="1",
    family="tagger",
    task="extract",
    modality="text",
    labels=("PERSON",),
    files={},
    settings={"calibration": {"scale": 1.0, "shift": 0.0}},
)


def sentence(frame: str, name: str) -> LabelledText:
    start = frame.index("{}")
    return LabelledText(frame.format(name), (Label("PERSON", start, start + len(name)),))


@pytest.fixture(scope="module")
def content() -> bytes:
    return train([sentence(frame, name) for frame in FRAMES for name in NAMES], ("PERSON",))


@pytest.fixture(scope="module")
def model(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> TextModel:
    path = tmp_path_factory.mktemp("models") / "names"
    write_directory(path, MANIFEST, {MODEL_FILE: content})
    return open_text_model(path)


def found(model: TextModel, text: str) -> list[str]:
    (answer,) = model.answer(model.prepare([text]))
    return [text[each.start : each.end] for each in answer.extracted]


def test_a_name_that_was_never_seen_is_found_by_its_place(model: TextModel) -> None:
    assert found(model, "Please pay Zoe Quist today.") == ["Zoe Quist"]


def test_spans_are_those_of_code_points(model: TextModel) -> None:
    assert found(model, "😀𝒳\nPlease pay Zoe Quist today.") == ["Zoe Quist"]


def test_a_name_far_into_a_long_text_has_its_own_place(model: TextModel) -> None:
    filling = "It was late. " * 400
    (answer,) = model.answer(model.prepare([f"{filling}\nPlease pay Zoe Quist today.\n{filling}"]))
    assert [(each.start, each.end) for each in answer.extracted] == [(len(filling) + 12, len(filling) + 21)]


@pytest.mark.parametrize("text", ["", " \n ", "\x00", "\u200b", "a" * 10_000, "١" * 500, "שלום", "汇款"])
def test_odd_texts_have_an_answer(model: TextModel, text: str) -> None:
    (answer,) = model.answer(model.prepare([text]))
    assert all(0 <= each.start < each.end <= len(text) for each in answer.extracted)


def test_confidence_is_a_probability(model: TextModel) -> None:
    (answer,) = model.answer(model.prepare(["Please pay Zoe Quist today."]))
    assert 0.5 < answer.extracted[0].confidence <= 1.0


@given(st.text(max_size=2000))
def test_pieces_hold_every_character_that_is_no_space_once_and_in_order(text: str) -> None:
    words = [word for piece in pieces(text) for word in piece]
    assert all(0 < len(piece) <= LONGEST_PIECE for piece in pieces(text))
    assert all(word.text == text[word.start : word.end] and len(word.text) <= LONGEST_WORD for word in words)
    kept = [character for word in words for character in word.text if not character.isspace()]
    assert kept == [character for character in text if not character.isspace()]


@given(st.lists(st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B"]), max_size=30))
def test_runs_never_overlap_and_cover_every_word_that_has_a_label(labels: list[str]) -> None:
    runs = list(to_runs(labels))
    covered = [at for _, start, end in runs for at in range(start, end)]
    assert covered == [at for at, label in enumerate(labels) if label != "O"]


def test_labels_give_back_the_spans_they_were_made_of() -> None:
    text = "pay Ann Lee, Bob\nnow"
    spans = [Label("P", 4, 11), Label("P", 13, 16)]
    (words,) = pieces(text)
    assert [(words[start].start, words[end - 1].end) for _, start, end in to_runs(to_labels(words, spans))] == [
        (4, 11),
        (13, 16),
    ]


@pytest.mark.parametrize("cut", [slice(0, 0), slice(0, 40), slice(0, -1), slice(1, None)])
def test_a_damaged_file_is_refused_even_under_a_manifest_that_names_it(
    content: bytes, tmp_path: Path, cut: slice
) -> None:
    write_directory(tmp_path, MANIFEST, {MODEL_FILE: content[cut]})
    with pytest.raises(ConfigurationError, match="CRFsuite"):
        open_text_model(tmp_path)


@pytest.mark.parametrize("settings", [{}, {"calibration": None}, {"calibration": {"scale": "a", "shift": 0.0}}])
def test_a_model_without_a_calibration_is_refused(content: bytes, tmp_path: Path, settings: dict[str, object]) -> None:
    write_directory(tmp_path, msgspec.structs.replace(MANIFEST, settings=settings), {MODEL_FILE: content})
    with pytest.raises(ConfigurationError, match="calibration"):
        open_text_model(tmp_path)


def test_a_calibration_keeps_the_order_and_takes_certainty() -> None:
    curve = Calibration(0.5, -1.0)
    values = [curve(each) for each in (0.0, 0.2, 0.5, 0.9, 1.0)]
    assert values == sorted(values)
    assert 0.0 < values[0] < values[-1] < 1.0
    assert round(values[2], 3) == 0.269


def test_a_model_of_other_labels_is_refused(content: bytes, tmp_path: Path) -> None:
    write_directory(tmp_path, msgspec.structs.replace(MANIFEST, labels=("PERSON", "TOWN")), {MODEL_FILE: content})
    with pytest.raises(ConfigurationError, match="labels"):
        open_text_model(tmp_path)
