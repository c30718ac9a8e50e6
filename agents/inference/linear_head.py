"""From vectors to calibrated answers: one linear layer, a temperature, and the threshold below which it abstains.

The temperature divides the scores before the softmax (Guo et al., "On calibration of modern neural networks", ICML
2017, section 4.2). Training is `sealstream.training.text_head`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from agents.inference.text_model import DeviceFailed, TextAnswer
from schemas.errors import ConfigurationError

if TYPE_CHECKING:
    from agents.inference.text_encoder import FloatArray

HEAD_FILE: Final = "head.f32"
_NUMBER: Final = "<f4"


class HeadSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a manifest says of its head.

    Attributes:
        temperature: Scores are divided by it.
        threshold: Confidence below which the model abstains; 0: never.
    """

    temperature: float
    threshold: float

    def __post_init__(self) -> None:
        """Refuse what would turn or flatten every answer."""
        if not 0.01 <= self.temperature <= 100 or not 0 <= self.threshold <= 1:
            raise ValueError("temperature must be from 0.01 to 100, threshold from 0 to 1")


@dataclass(frozen=True, slots=True, eq=False)
class LinearHead:
    """A trained head.

    Attributes:
        weights: float32 [dims, labels].
        bias: float32 [labels].
        labels: In the order of the columns.
    """

    weights: "FloatArray"
    bias: "FloatArray"
    labels: tuple[str, ...]
    settings: HeadSettings

    def probabilities(self, vectors: "FloatArray") -> "FloatArray":
        """Calibrated: float32 [vectors, labels]; every row sums to one.

        Raises:
            DeviceFailed: There is a row that is no distribution.
        """
        scores = (vectors @ self.weights + self.bias) / np.float32(self.settings.temperature)
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        sums = scores.sum(axis=1, keepdims=True)
        if not bool(np.isfinite(sums).all()):
            raise DeviceFailed("the head gave something that is no number")
        result: FloatArray = scores / sums
        return result

    def answers(self, vectors: "FloatArray") -> list[TextAnswer]:
        """One for each vector.

        Raises:
            DeviceFailed: There is a vector that is none of numbers.
        """
        if not len(vectors):
            return []
        probabilities = self.probabilities(vectors)
        best = probabilities.argmax(axis=1)
        sure = probabilities[np.arange(len(vectors)), best]
        labels, threshold = self.labels, self.settings.threshold
        return [
            TextAnswer(labels[place], min(confidence, 1.0), confidence < threshold)
            for place, confidence in zip(best.tolist(), sure.tolist(), strict=True)
        ]


def head_bytes(weights: "FloatArray", bias: "FloatArray") -> bytes:
    """The file of a head: float32, little-endian, [dims + 1, labels]; the last row is the bias."""
    return np.vstack([weights, bias[None, :]]).astype(_NUMBER).tobytes()


def read_head(content: bytes, dims: int, labels: tuple[str, ...], settings: HeadSettings) -> LinearHead:
    """Read what `head_bytes` wrote.

    Raises:
        ConfigurationError: It is not for so many dimensions and labels, or has weights that are no numbers.
    """
    if len(content) != 4 * (dims + 1) * len(labels):
        raise ConfigurationError(
            f"{HEAD_FILE} does not fit {len(labels)} labels and vectors of {dims} numbers; restore it with its manifest"
        )
    table = np.frombuffer(content, dtype=_NUMBER).reshape(dims + 1, len(labels)).astype(np.float32)
    if not bool(np.isfinite(table).all()):
        raise ConfigurationError(f"{HEAD_FILE} has weights that are no numbers; train the model again")
    return LinearHead(table[:-1], table[-1], labels, settings)
