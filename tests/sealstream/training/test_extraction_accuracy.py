"""Floors on measured accuracy, on Presidio's data. Raise them with the measure."""

from pathlib import Path

import msgspec
import pytest

from agents.inference.extraction_scores import evaluate_extraction
from agents.inference.families import open_text_model
from agents.inference.patterns.model import MODEL_DIRECTORY
from schemas.errors import ConfigurationError
from sealstream.evaluators.presidio import FILES, load_presidio
from tests.shared_data import shared

PRESIDIO = "data/text_labels/pii_presidio_en"


def test_recognisers_of_forms_keep_their_accuracy_on_templates_that_were_not_read() -> None:
    report = evaluate_extraction(open_text_model(MODEL_DIRECTORY), load_presidio(shared(PRESIDIO), "test"))
    floors = {
        "AGE": 0.95,
        "CREDIT_CARD": 0.95,
        "DATE_TIME": 0.85,
        "DOMAIN_NAME": 0.97,
        "EMAIL_ADDRESS": 0.97,
        "IBAN_CODE": 0.97,
        "IP_ADDRESS": 0.97,
        "PHONE_NUMBER": 0.80,
        "TITLE": 0.70,
    }
    low = {kind: report.of(kind).strict.f1 for kind, floor in floors.items() if report.of(kind).strict.f1 < floor}
    assert not low, report.table()


def test_the_confidences_that_ship_are_the_precision_that_is_measured() -> None:
    from sealstream.training.patterns import confidences, measure

    assert open_text_model(MODEL_DIRECTORY)._confidences == confidences(measure(shared(PRESIDIO)))


def test_a_small_tagger_keeps_its_accuracy_on_templates_it_has_not_seen() -> None:
    pytest.importorskip("torch", reason="needs the extra `torch` (4.5 GB)")
    from sealstream.training.encoder_export import wheel_directory
    from sealstream.training.tagger import KINDS, open_trained, texts_to_learn
    from sealstream.training.tagger_network import Settings, train

    # Two layers and two fifths of the texts: the whole training takes several minutes of CPU time. What is wrong with
    # frames, values, labels, tokens, decoding or the export shows in this one too.
    data = shared(PRESIDIO)
    texts = texts_to_learn(load_presidio(data, "train").texts, 2_400)
    tagger = open_trained(train(texts, KINDS, wheel_directory(), Settings(layers=2)))
    report = evaluate_extraction(tagger, load_presidio(data, "test"))
    # Some 0.03 below what this one reached when it was run once: 0.699, 0.436, 0.657, 0.279; ADDRESS by overlap 0.917.
    # The model that is trained in earnest is better: docs/extraction.md.
    floors = {"PERSON": 0.67, "ORGANIZATION": 0.40, "LOCATION": 0.62, "ADDRESS": 0.25}
    low = {kind: report.of(kind).strict.f1 for kind, floor in floors.items() if report.of(kind).strict.f1 < floor}
    assert not low, report.table()
    assert report.of("ADDRESS").overlap.f1 >= 0.89


def sample(text: str, masked: str, *spans: tuple[str, int, int]) -> dict[str, object]:
    names = ("entity_type", "start_position", "end_position")
    return {"full_text": text, "masked": masked, "spans": [dict(zip(names, each, strict=True)) for each in spans]}


def test_sentences_of_one_template_are_on_one_side_whatever_their_file_and_names(tmp_path: Path) -> None:
    first = [sample(f"Pay A{n} {w}", f"Pay {{{{name}}}} {w}", ("GPE", 4, 6)) for n in range(3) for w in range(20)]
    second = [sample(f"pay  B {w}", f"pay  {{{{PERSON}}}} {w}", ("PREFIX", 5, 6)) for w in range(20)]
    for name, samples in zip(FILES, (first, second), strict=True):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(msgspec.json.encode(samples))
    train, test, whole = (load_presidio(tmp_path, side) for side in ("train", "test", "all"))
    assert len(train.texts) + len(test.texts) == len(whole.texts) == 80
    assert train.texts
    assert test.texts
    assert not {each.group for each in train.texts} & {each.group for each in test.texts}
    assert whole.kinds == {"LOCATION", "TITLE"}


@pytest.mark.parametrize("content", [b"", b"{}", b'[{"full_text": 1}]', b"["])
def test_a_file_that_is_no_data_set_is_refused_by_its_path(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILES[0]).parent.mkdir(parents=True)
    (tmp_path / FILES[0]).write_bytes(content)
    with pytest.raises(ConfigurationError, match="synth_dataset"):
        load_presidio(tmp_path)


def test_a_missing_file_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="presidio-research"):
        load_presidio(tmp_path)
