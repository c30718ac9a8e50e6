"""The model of the family `tagger`: tokens to tags to spans, whose confidence is a calibrated probability."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from agents.inference.engine import ModelIdentity
from agents.inference.model_directory import ModelDirectory
from agents.inference.onnx_encoder import TOKENIZER_FILE
from agents.inference.padding import Padding
from agents.inference.tagger.decoding import decode
from agents.inference.tagger.graph import GRAPH_FILE, TaggerGraph
from agents.inference.tagger.labels import tag_count
from agents.inference.tagger.tokens import CONTINUES, TaggerTokens, rows
from agents.inference.tagger.windows import windows
from agents.inference.text_model import Extracted, PreparedText, TextAnswer
from schemas.errors import ConfigurationError

if TYPE_CHECKING:
    from agents.inference.tagger.decoding import FloatArray
    from agents.inference.tagger.tokens import IntArray

WINDOW: Final = 254
"""Tokens that are read at once, without the marks of begin and end: what the encoder was made for."""

OVERLAP: Final = 64
_LEAST: Final = 1e-6


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A logistic map from the network's probability to the share of finds that are right (Platt scaling)."""

    scale: float
    shift: float

    def __call__(self, probability: float) -> float:
        """The calibrated probability, 0 to 1."""
        bounded = min(max(probability, _LEAST), 1 - _LEAST)
        return 1 / (1 + math.exp(-(self.scale * math.log(bounded / (1 - bounded)) + self.shift)))


UNCALIBRATED: Final = Calibration(1.0, 0.0)


class TaggerModel:
    """A `TextModel` over one token classifier.

    Args:
        files: Graph and tokenizer, as their digests were checked.
        calibration: From the smallest probability of a value's words to its confidence.

    Raises:
        ConfigurationError: A file is missing or is not what it must be, or the provider is not in force.
    """

    def __init__(
        self, model: ModelIdentity, files: Mapping[str, bytes], calibration: Calibration, provider: str
    ) -> None:
        missing = {GRAPH_FILE, TOKENIZER_FILE} - set(files)
        if missing:
            raise ConfigurationError(f"the model has no {' and no '.join(sorted(missing))}; restore its release")
        self._model = model
        self._calibration = calibration
        self._tokens = TaggerTokens(files[TOKENIZER_FILE])
        self._graph = TaggerGraph(
            files[GRAPH_FILE],
            tags=tag_count(model.labels),
            begin=self._tokens.begin,
            end=self._tokens.end,
            provider=provider,
        )

    @property
    def model(self) -> ModelIdentity:
        """Which model it is."""
        return self._model

    @property
    def padding(self) -> Padding:
        """What was computed so far, and for how many tokens."""
        return self._graph.padding

    def prepare(self, texts: Sequence[str]) -> list[PreparedText]:
        """Tokenize; same length and order."""
        return self._tokens.prepare(texts)

    def answer(self, texts: Sequence[PreparedText]) -> list[TextAnswer]:
        """What was found in each text, read in windows of bounded length.

        Raises:
            InferenceFailed: A text was not prepared for this model, or the runtime refused the batch.
            DeviceFailed: The runtime gave something that is no probability.
        """
        prepared = [rows(each) for each in texts]
        cuts = [(at, cut) for at, each in enumerate(prepared) for cut in windows(each.shape[1], WINDOW, OVERLAP)]
        scores = self._graph.scores([prepared[at][:2, cut.start : cut.end] for at, cut in cuts])
        kept: list[list[FloatArray]] = [[] for _ in texts]
        for (at, cut), each in zip(cuts, scores, strict=True):
            kept[at].append(each[cut.kept_from - cut.start : cut.kept_to - cut.start])
        return [self._answer(*each) for each in zip(prepared, kept, strict=True)]

    def _answer(self, prepared: "IntArray", scores: "Sequence[FloatArray]") -> TextAnswer:
        if not scores:
            return TextAnswer()
        _, shapes, starts, ends = prepared
        words = np.flatnonzero(shapes != CONTINUES)
        found = [
            Extracted(
                self._model.labels[run.kind],
                int(starts[words[run.start]]),
                int(ends[words[run.end - 1]]),
                self._calibration(run.probability),
            )
            for run in decode(np.concatenate(scores)[words])
        ]
        return TextAnswer(extracted=tuple(found))


def load(directory: ModelDirectory, provider: str) -> TaggerModel:
    """Open a model directory of the family.

    Raises:
        ConfigurationError: Graph or tokenizer is not among its files, is none, or has other labels; or the
            calibration is missing.
    """
    try:
        calibration = msgspec.convert(directory.manifest.settings.get("calibration"), Calibration)
    except msgspec.ValidationError as exc:
        raise ConfigurationError(f"the model in {directory.path} has no calibration; train it again") from exc
    return TaggerModel(directory.manifest.identity, directory.files, calibration, provider)
