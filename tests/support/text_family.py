"""A deterministic family of text models, for tests alone: what is answered follows from words in the text.

`register` makes it known in this process; `environment` does in processes that a test starts.
"""

import os
import re
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from agents.inference import families
from agents.inference.engine import InferenceFailed, ModelIdentity
from agents.inference.model_directory import CARD_NAME, ModelDirectory, ModelManifest, write_directory
from agents.inference.text_model import Extracted, PreparedText, TextAnswer

FAMILY: Final = "test_words"
LABELS: Final = ("complaint", "enquiry", "other")
_WORDS: Final = {"complaint": ("complain", "投诉"), "enquiry": ("ask", "咨询")}
_IBAN: Final = re.compile(r"\b[A-Z]{2}\d{2}[A-Z0-9]{11,30}\b")
_HELD: Final = re.compile(r"UNTIL (\S+)")
"""Makes PATH.began, and is not answered before there is a file at PATH."""

_DEADLY: Final = re.compile("DEADLY")
"""Ends the process that is to answer it; for processes of their own."""

SITE: Final = Path(__file__).parent / "text_family_site"


class WordModel:
    """Classifies by words, or extracts IBANs. A text with the word POISON is never answered.

    Args:
        gate: A file: while it is there nothing is answered, and `<gate>.<pid>` says that the process would which
            started this one.
    """

    def __init__(self, model: ModelIdentity, *, extracts: bool, gate: str | None = None) -> None:
        self._model = model
        self._extracts = extracts
        self._gate = gate

    @property
    def model(self) -> ModelIdentity:
        return self._model

    def prepare(self, texts: Sequence[str]) -> list[PreparedText]:
        return [PreparedText(text, b"", max(len(text.split()), 1)) for text in texts]

    def answer(self, texts: Sequence[PreparedText]) -> list[TextAnswer]:
        while self._gate is not None and Path(self._gate).exists():
            Path(f"{self._gate}.{os.getppid()}").touch()
            time.sleep(0.01)
        for found in filter(None, (_HELD.search(each.text) for each in texts)):
            Path(f"{found[1]}.began").touch()
            while not Path(found[1]).exists():
                time.sleep(0.005)
        for _ in filter(None, (_DEADLY.search(each.text) for each in texts)):
            os.kill(os.getpid(), signal.SIGKILL)
        if any("POISON" in each.text for each in texts):
            raise InferenceFailed("a text can't be answered")
        return [self._extract(each.text) if self._extracts else classify(each.text) for each in texts]

    @staticmethod
    def _extract(text: str) -> TextAnswer:
        return TextAnswer(extracted=tuple(Extracted("IBAN_CODE", *found.span(), 0.9) for found in _IBAN.finditer(text)))


def classify(text: str) -> TextAnswer:
    """What the classifier answers."""
    for label, words in _WORDS.items():
        if any(word in text for word in words):
            return TextAnswer(label, 0.95)
    return TextAnswer("other", 0.3, abstained=True)


def load(directory: ModelDirectory, provider: str) -> WordModel:
    """The family's loader."""
    manifest = directory.manifest
    return WordModel(manifest.identity, extracts=manifest.task == "extract", gate=manifest.settings.get("gate"))


def manifests(*, gate: Path | None = None, version: str = "1") -> tuple[ModelManifest, ModelManifest]:
    """Of a classifier and an extractor."""
    letters = ModelManifest(
        name="letters",
        version=version,
        family=FAMILY,
        task="classify",
        modality="text",
        labels=LABELS,
        files={},
        settings={} if gate is None else {"gate": str(gate)},
    )
    ibans = msgspec.structs.replace(letters, name="ibans", task="extract", labels=("IBAN_CODE",))
    return letters, ibans


def write_models(directory: Path, *, gate: Path | None = None, version: str = "1") -> tuple[Path, Path]:
    """Write a classifier and an extractor; returns their directories."""
    letters, ibans = manifests(gate=gate, version=version)
    for manifest in (letters, ibans):
        write_directory(directory / manifest.name, manifest, {})
        (directory / manifest.name / CARD_NAME).write_text("# For tests\n")
    return directory / letters.name, directory / ibans.name


def register() -> None:
    """Make the family known in this process."""
    families._LOADERS[FAMILY] = "tests.support.text_family:load"
