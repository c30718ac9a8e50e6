"""What encoders share: texts into batches of similar lengths, rows back in their order, and what a vector must be."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from agents.inference.batching import plan
from agents.inference.engine import InferenceFailed
from agents.inference.padding import Padding
from agents.inference.text_model import DeviceFailed, PreparedText

if TYPE_CHECKING:
    from agents.inference.text_encoder import FloatArray

MAX_ITEMS: Final = 256
LENGTH_TOLERANCE: Final = 1e-2
"""By how much a vector's length may differ from one; INT8 stays far below, a NaN never does."""


class BatchLimits(Protocol):
    """What a manifest says of its encoder's batches; see `EncoderSettings`."""

    @property
    def dims(self) -> int:
        """Numbers in a vector."""
        ...

    @property
    def max_tokens(self) -> int:
        """Of one text."""
        ...

    @property
    def token_budget(self) -> int:
        """Padded tokens in a batch."""
        ...


def embed_in_batches(
    texts: Sequence[PreparedText], limits: BatchLimits, run: Callable[[Sequence[PreparedText], int], "FloatArray"]
) -> "tuple[FloatArray, Padding]":
    """Vectors of length one: float32 [texts, dims], rows in the order of the texts; and how much was padding.

    Args:
        run: Embeds one batch, padded to so many tokens.

    Raises:
        InferenceFailed: A text was not prepared for this encoder, or the runtime refused a batch.
        DeviceFailed: It gave something that is no vector of length one.
    """
    lengths = [len(each.ids) // 4 for each in texts]
    if any(not 0 < length <= limits.max_tokens for length in lengths):
        raise InferenceFailed("a text was not prepared for this model; prepare it with the same model")
    batches = plan(lengths, limits.token_budget, MAX_ITEMS)
    result = np.empty((len(texts), limits.dims), dtype=np.float32)
    for rows in batches.rows:
        result[list(rows)] = run([texts[row] for row in rows], lengths[rows[0]])
    check_vectors(result)
    return result, batches.padding


def check_vectors(vectors: "FloatArray") -> None:
    """See that every row has length one.

    Raises:
        DeviceFailed: One has not, or is none of numbers.
    """
    squares = np.einsum("ij,ij->i", vectors, vectors)
    if not bool((np.abs(squares - 1.0) < LENGTH_TOLERANCE).all()):
        raise DeviceFailed("the encoder gave something that is no vector of length one")
