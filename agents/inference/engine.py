"""The seam between the work on records and whatever computes a decision: protocol, its data, its error.

No engine lives here; `onnx_engine` is one. Nothing here imports a numeric library.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

import msgspec

from schemas.errors import SealstreamError
from schemas.model_reference import ModelReference


class InferenceFailed(SealstreamError):
    """An engine could not answer, or its answer was not usable. The text never holds the input."""


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model answered, for results and audit leaves.

    Attributes:
        name: For example `transaction_kind`.
        version: Of the model, not of the product.
        digest: SHA-256 of the manifest in canonical form, hex; see `model_directory`.
        labels: Every label the model can give, in the order of its outputs.
    """

    name: str
    version: str
    digest: str
    labels: tuple[str, ...]

    @property
    def full_name(self) -> str:
        """What plans, lanes and devices call it."""
        return f"{self.name}@{self.version}"

    @property
    def reference(self) -> str:
        """How results and leaves name it."""
        return str(ModelReference(self.name, self.version, self.digest))


# Structs, not frozen dataclasses: one of each is built for a record, and these take a quarter of the time.
class ModelInput(msgspec.Struct, frozen=True, gc=False):
    """What a text model sees of one record.

    Attributes:
        text: May be empty; any Unicode.
        amount: Never negative; None when the record has none.
        credit_debit: `CRDT`, `DBIT`, or None when the producer did not say.
    """

    text: str
    amount: Decimal | None
    credit_debit: str | None


class Decision(msgspec.Struct, frozen=True, gc=False):
    """An engine's answer for one record.

    Attributes:
        label: One of the model's labels.
        confidence: The model's probability of that label, 0 to 1. How far to trust it is in the model's card.
    """

    label: str
    confidence: float


class Engine(Protocol):
    """Answers whole frames. Implementations keep no state that changes an answer."""

    @property
    def model(self) -> ModelIdentity:
        """The loaded model."""
        ...

    def classify(self, items: Sequence[ModelInput]) -> list[Decision]:
        """Decide every item of a frame; the answers have the same length and order.

        Raises:
            InferenceFailed: No item of this frame has an answer; the caller may bisect the frame and try again.
        """
        ...
