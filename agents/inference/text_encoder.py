"""The seam between encoders, which turn texts into vectors, and the head on top, which turns vectors into answers.

Encoders are `onnx_encoder`, `torch_encoder` and `usem_encoder`; the head is `linear_head`, and `headed_model` has both.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from agents.inference.padding import Padding
from agents.inference.text_model import PreparedText

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float32]


class TextEncoder(Protocol):
    """A loaded sentence encoder."""

    @property
    def dims(self) -> int:
        """Numbers in a vector."""
        ...

    @property
    def padding(self) -> Padding:
        """Of everything embedded so far."""
        ...

    def prepare(self, texts: Sequence[str]) -> list[PreparedText]:
        """Cut and tokenize; same length and order."""
        ...

    def embed(self, texts: Sequence[PreparedText]) -> "FloatArray":
        """Vectors of length one: float32 [texts, dims], rows in the order of the texts.

        Raises:
            InferenceFailed: The texts may be to blame.
            DeviceFailed: The runtime gave too few rows, or none that is a number.
        """
        ...
