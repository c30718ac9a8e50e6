"""The training command of the multilingual head, on a small set of three labels."""

from pathlib import Path

import pytest

from agents.inference.families import open_text_model
from agents.inference.headed_model import HeadedModel
from agents.inference.model_directory import CARD_NAME
from sealstream.training.multilingual_head import main

TEXTS = {
    "card": ("My card {} was stolen", "Please block card {}", "The machine kept card {}", "Card {} does not work"),
    "food": ("The soup on {} was cold", "We had pizza on {}", "She cooks rice on {}", "Bread and cheese for {}"),
    "rain": ("It rained on {}", "Heavy rain is expected on {}", "The storm came on {}", "Clouds and rain for {}"),
}
DAYS = ("Monday", "Tuesday", "Sunday", "May 3")


def write_set(folder: Path) -> None:
    for part, days in (("train", DAYS[:3]), ("test", DAYS[3:])):
        rows = [f"{text.format(day)},{label}" for label, texts in TEXTS.items() for text in texts for day in days]
        (folder / f"{part}.csv").write_text("\n".join(["text,category", *rows]) + "\n")


def test_it_trains_what_answers_other_languages(tmp_path: Path) -> None:
    write_set(tmp_path)
    assert main(["--data", str(tmp_path), "--output", str(tmp_path / "model")]) == 0
    model = open_text_model(tmp_path / "model")
    assert isinstance(model, HeadedModel)
    answers = model.answer(model.prepare(["Meine Karte wurde gestohlen", "明天有大雨"]))
    assert [each.label for each in answers] == ["card", "rain"]
    assert "usem_head" in (tmp_path / "model" / CARD_NAME).read_text()


def test_a_folder_without_the_set_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path / "none"), "--output", str(tmp_path / "model")]) == 1
    assert "train.csv" in capsys.readouterr().err
