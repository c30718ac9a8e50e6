"""The model of the family `tagger`: words to labels to spans, with the field's own probability."""

import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pycrfsuite

from agents.inference.engine import InferenceFailed, ModelIdentity
from agents.inference.model_directory import ModelDirectory
from agents.inference.tagger.features import features
from agents.inference.tagger.labels import to_runs
from agents.inference.tagger.tokens import Word, pieces
from agents.inference.text_model import Extracted, PreparedText, TextAnswer
from schemas.errors import ConfigurationError

MODEL_FILE: Final = "model.crfsuite"
MODEL_DIRECTORY: Final = Path(__file__).parent.parent / "models" / "names_en"

_MAGIC: Final = b"lCRF"
_CHARACTERS_A_TOKEN: Final = 4
_LEAST: Final = 1e-6


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A logistic map from the field's probability to the share of finds that are right (Platt scaling)."""

    scale: float
    shift: float

    def __call__(self, probability: float) -> float:
        """The calibrated probability, 0 to 1."""
        bounded = min(max(probability, _LEAST), 1 - _LEAST)
        return 1 / (1 + math.exp(-(self.scale * math.log(bounded / (1 - bounded)) + self.shift)))


UNCALIBRATED: Final = Calibration(1.0, 0.0)


class TaggerModel:
    """A `TextModel` over one conditional random field.

    Args:
        content: The model file, as its digest was checked.
        calibration: From the smallest probability of a value's words to its confidence.

    Raises:
        ConfigurationError: It is no model file, or gives other labels than the manifest names.
    """

    def __init__(self, model: ModelIdentity, content: bytes, calibration: Calibration = UNCALIBRATED) -> None:
        self._model = model
        self._calibration = calibration
        # CRFsuite reads a file of another kind without an error and crashes later.
        if content[:4] != _MAGIC or int.from_bytes(content[4:8], "little") != len(content):
            raise ConfigurationError(f"{MODEL_FILE} is no CRFsuite model; restore it from the release")
        # CRFsuite reads from these very bytes as long as it lives.
        self._content = content
        self._taggers = threading.local()
        kinds = {each[2:] for each in self._tagger().labels() if each != "O"}
        if kinds != set(model.labels):
            raise ConfigurationError(
                f"{MODEL_FILE} gives other labels than its manifest names; take both from one release"
            )

    @property
    def model(self) -> ModelIdentity:
        """Which model it is."""
        return self._model

    def prepare(self, texts: Sequence[str]) -> list[PreparedText]:
        """The texts as they are; words are cut when they are tagged."""
        return [PreparedText(text, b"", max(1, len(text) // _CHARACTERS_A_TOKEN)) for text in texts]

    def answer(self, texts: Sequence[PreparedText]) -> list[TextAnswer]:
        """What was found in each text, a piece of bounded length at a time.

        Raises:
            InferenceFailed: The field gave a probability that is no number.
        """
        return [
            TextAnswer(extracted=tuple([found for piece in pieces(each.text) for found in self._extract(piece)]))
            for each in texts
        ]

    def _tagger(self) -> Any:
        """The calling thread's own: it keeps what it tagged last."""
        tagger = getattr(self._taggers, "own", None)
        if tagger is None:
            tagger = self._taggers.own = pycrfsuite.Tagger()
            tagger.open_inmemory(self._content)
        return tagger

    def _extract(self, words: Sequence[Word]) -> list[Extracted]:
        # The marginals are asked of what was tagged last.
        tagger = self._tagger()
        labels: list[str] = tagger.tag(features(words))
        found = []
        for kind, start, end in to_runs(labels):
            probability = min([tagger.marginal(labels[at], at) for at in range(start, end)])
            if not math.isfinite(probability):
                raise InferenceFailed(f"model {self._model.name} gave no probability for at least one value")
            found.append(Extracted(kind, words[start].start, words[end - 1].end, self._calibration(probability)))
        return found


def load(directory: ModelDirectory, _provider: str) -> TaggerModel:
    """Open a model directory of the family.

    Raises:
        ConfigurationError: The model file is not among its files, is none, or has other labels; or the
            calibration is missing.
    """
    content = directory.files.get(MODEL_FILE)
    if content is None:
        raise ConfigurationError(f"the model in {directory.path} has no {MODEL_FILE}; restore it from the release")
    try:
        calibration = msgspec.convert(directory.manifest.settings.get("calibration"), Calibration)
    except msgspec.ValidationError as exc:
        raise ConfigurationError(f"the model in {directory.path} has no calibration; train it again") from exc
    return TaggerModel(directory.manifest.identity, content, calibration)
