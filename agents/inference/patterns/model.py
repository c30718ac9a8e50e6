"""The model of the family `patterns`: recognisers in their order, with the measured precision of each kind."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agents.inference.engine import ModelIdentity
from agents.inference.folding import fold
from agents.inference.model_directory import ModelDirectory
from agents.inference.patterns.amounts import AMOUNTS
from agents.inference.patterns.contacts import NETWORK, PHONES
from agents.inference.patterns.moments import DATES, TIMES
from agents.inference.patterns.payments import CARDS
from agents.inference.patterns.payments import RECOGNISERS as PAYMENTS
from agents.inference.patterns.persons import DESCRIPTIONS, NUMBERS
from agents.inference.patterns.recogniser import Recogniser, find_all, without_overlaps
from agents.inference.text_model import Extracted, PreparedText, TextAnswer
from schemas.errors import ConfigurationError

MODEL_DIRECTORY: Final = Path(__file__).parent.parent / "models" / "patterns"

RECOGNISERS: Final[tuple[Recogniser, ...]] = (
    *NETWORK,
    *PAYMENTS,
    *NUMBERS,
    DATES,
    CARDS,
    AMOUNTS,
    *DESCRIPTIONS,
    PHONES,
    TIMES,
)
"""In the order in which they win over one another: what is checked or unmistakable first, mere shapes last."""

KINDS: Final = tuple(dict.fromkeys(each.kind for each in RECOGNISERS))

_CHARACTERS_A_TOKEN: Final = 4


class PatternsModel:
    """A `TextModel` without a network: every answer follows from the text.

    Args:
        confidences: By kind, the share of what was found that was right, measured.
    """

    def __init__(self, model: ModelIdentity, confidences: dict[str, float]) -> None:
        self._model = model
        self._confidences = confidences

    @property
    def model(self) -> ModelIdentity:
        """Which model it is."""
        return self._model

    def prepare(self, texts: Sequence[str]) -> list[PreparedText]:
        """The texts as they are; the recognisers read them whole."""
        return [PreparedText(text, b"", max(1, len(text) // _CHARACTERS_A_TOKEN)) for text in texts]

    def answer(self, texts: Sequence[PreparedText]) -> list[TextAnswer]:
        """What was found in each text; the time is linear in its length."""
        return [TextAnswer(extracted=tuple(self._extract(each.text))) for each in texts]

    def _extract(self, text: str) -> list[Extracted]:
        folded = fold(text)
        found = without_overlaps(find_all(folded.text, RECOGNISERS))
        values: list[Extracted] = []
        for each in found:
            start, end = folded.span(each.start, each.end)
            # Two values inside one compatibility character would overlap in the original.
            if not values or values[-1].end <= start:
                values.append(Extracted(each.kind, start, end, self._confidences[each.kind]))
        return values


def load(directory: ModelDirectory, _provider: str) -> PatternsModel:
    """Open a model directory of the family.

    Raises:
        ConfigurationError: Its labels or confidences are not those of the recognisers of this release.
    """
    manifest = directory.manifest
    confidences = manifest.settings.get("confidence")
    if set(manifest.labels) != set(KINDS) or not isinstance(confidences, dict) or set(confidences) != set(KINDS):
        raise ConfigurationError(
            "the model's kinds are not those of this release's recognisers; take the model of this release"
        )
    if not all(isinstance(each, float) and 0.0 <= each <= 1.0 for each in confidences.values()):
        raise ConfigurationError("a confidence of the model is no number from 0 to 1; take the model of this release")
    return PatternsModel(manifest.identity, dict(confidences))
