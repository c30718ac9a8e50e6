"""The seam of text models: what they are given, what they answer, and the devices that run them.

A text is prepared once, by whoever schedules it, because a batch is planned by its lengths; the device gets what was
prepared. Nothing here imports a numeric library. Families of models stand beside this module and are opened by
`families`; the directory a model is kept in is `model_directory`.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import msgspec

from agents.inference.engine import InferenceFailed, ModelIdentity


class DeviceFailed(InferenceFailed):
    """A device hung, died or answered nonsense: the work was not to blame and may be done elsewhere."""


class PreparedText(msgspec.Struct, frozen=True, gc=False):
    """A text as a model wants it.

    Attributes:
        text: Any Unicode without lone surrogates; spans refer to its code points.
        ids: The model's token ids, packed native int32; empty for families that read the text itself.
        tokens: What a batch is padded by; at least 1.
    """

    text: str
    ids: bytes
    tokens: int

    def __repr__(self) -> str:
        # A repr with the text would put a customer's letter into a traceback.
        return f"<PreparedText, {self.tokens} tokens>"


class Extracted(msgspec.Struct, frozen=True, gc=False):
    """A value found in a text.

    Attributes:
        kind: The model's label for it, for example `PERSON` or `IBAN_CODE`.
        start: First code point.
        end: One after the last code point.
        confidence: 0 to 1.
    """

    kind: str
    start: int
    end: int
    confidence: float


class TextAnswer(msgspec.Struct, frozen=True, gc=False):
    """A model's answer for one text: a classifier gives label and confidence, an extractor what it found.

    Attributes:
        label: One of the model's labels; the most probable one also when the model abstains.
        confidence: The calibrated probability of that label, 0 to 1.
        abstained: The confidence is below the model's threshold: a person has to decide.
        extracted: In order of their starts, without overlaps.
    """

    label: str | None = None
    confidence: float | None = None
    abstained: bool = False
    extracted: tuple[Extracted, ...] = ()


class TextModel(Protocol):
    """A loaded text model. Implementations keep no state that changes an answer."""

    @property
    def model(self) -> ModelIdentity:
        """Which model it is."""
        ...

    def prepare(self, texts: Sequence[str]) -> list[PreparedText]:
        """Cut and tokenize; same length and order. Any Unicode is taken, also none at all."""
        ...

    def answer(self, texts: Sequence[PreparedText]) -> list[TextAnswer]:
        """Answer a batch; same length and order.

        Raises:
            InferenceFailed: No item of this batch has an answer.
        """
        ...


@runtime_checkable
class GivesWay(Protocol):
    """A device whose batches stand still while urgent ones are computed in its express slot."""

    @property
    def held_us(self) -> int:
        """Microseconds that the last batch which was answered stood still."""
        ...


class InferenceDevice(Protocol):
    """Something that has models loaded and runs one batch after the other. An express slot is one by itself."""

    @property
    def name(self) -> str:
        """Unique in its process; it is in the scheduler's decisions."""
        ...

    async def answer(self, model: str, texts: Sequence[PreparedText]) -> list[TextAnswer]:
        """Answer a batch of one model, named `name@version`; same length and order.

        Raises:
            DeviceFailed: The device hung past its time limit, died, or gave too few rows or none that is a number.
            InferenceFailed: The work may be to blame.
        """
        ...
