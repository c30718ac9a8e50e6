"""The texts that the tagger learns from: labels fit, values are others, conventions are Presidio's."""

import random

import pytest

pytest.importorskip("faker", reason="needs the extra `train`")

from agents.inference.extraction_scores import Label, LabelledText
from sealstream.training.tagger_texts import Texts, frames

KINDS = {"PERSON", "ORGANIZATION", "LOCATION", "ADDRESS"}
SOURCE = [
    LabelledText(
        "Pay Ann Lee of Acme in Oslo.",
        (Label("PERSON", 4, 11), Label("ORGANIZATION", 15, 19), Label("LOCATION", 23, 27)),
        "a",
    ),
    LabelledText(
        "Mr. Lee lives at 12 Main St.", (Label("TITLE", 0, 3), Label("PERSON", 4, 7), Label("ADDRESS", 17, 28)), "b"
    ),
    LabelledText("No name at all.", (), "c"),
]


@pytest.fixture(scope="module")
def texts() -> list[LabelledText]:
    return list(Texts(random.Random(1), SOURCE).draw(600))


def test_every_label_is_a_value_inside_of_its_text_and_none_overlaps(texts: list[LabelledText]) -> None:
    for each in texts:
        last = 0
        for label in each.labels:
            value = each.text[label.start : label.end]
            assert last <= label.start < label.end <= len(each.text)
            assert value.strip() == value != ""
            last = label.end
    assert {label.kind for each in texts for label in each.labels} == KINDS | {"TITLE"}


def test_no_place_of_a_frame_is_left_open_and_some_texts_have_no_value(texts: list[LabelledText]) -> None:
    assert not [each.text for each in texts if "{" in each.text]
    assert any(not each.labels and each.group != "c" for each in texts)
    assert len(frames()) > 300


def test_an_address_of_lines_beside_no_sentence_is_labelled_part_by_part() -> None:
    (frame,) = (each for each in frames() if each == "{person}\n\n{parts}")
    texts = Texts(random.Random(1), [])
    for _ in range(50):
        text = texts.fill(frame)
        values = [text.text[label.start : label.end] for label in text.labels if label.kind == "ADDRESS"]
        assert len(values) >= 2
        assert not [each for each in values if "\n" in each]
        assert {label.kind for label in text.labels} == {"PERSON", "ADDRESS", "LOCATION"}


def test_a_sentence_keeps_its_words_and_gets_other_values(texts: list[LabelledText]) -> None:
    made = [each for each in texts if each.group == "a"]
    between = {each.text[: each.labels[0].start].lower() for each in made}
    assert between == {"pay "}
    values = {each.text[label.start : label.end] for each in made for label in each.labels if label.kind == "PERSON"}
    assert len(values) > len(made) // 2


def test_the_same_seed_gives_the_same_texts_and_another_others() -> None:
    first, again, other = (list(Texts(random.Random(seed), SOURCE).draw(40)) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_without_sentences_of_others_there_are_our_own() -> None:
    assert len(list(Texts(random.Random(1), []).draw(20))) == 20
