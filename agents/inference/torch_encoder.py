"""A sentence encoder in PyTorch: the original of the exported one, for hardware that has no ONNX provider.

Needs the extras `text` and `torch`. The device is named as PyTorch does (`cpu`, `cuda:0`, `npu:0`), or by the ONNX
provider of the same hardware, so that one setting names it for every family. CUDA and NPU are not verified on hardware.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
import torch

from agents.inference.embedding import embed_in_batches
from agents.inference.engine import InferenceFailed
from agents.inference.headed_model import HeadedModel, headed, part
from agents.inference.model_directory import ModelDirectory
from agents.inference.onnx_encoder import TOKENIZER_FILE
from agents.inference.onnx_session import CANN, CPU, CUDA
from agents.inference.padding import Padding, PaddingCount
from agents.inference.text_model import DeviceFailed, PreparedText
from agents.inference.tokenizing import TokenIds
from agents.inference.torch_pooling import pooled_encoder
from schemas.errors import ConfigurationError

if TYPE_CHECKING:
    from agents.inference.text_encoder import FloatArray

_DEVICES: Final = {CPU: "cpu", CUDA: "cuda", CANN: "npu"}


class TorchSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a manifest says of its encoder; see `EncoderSettings`."""

    dims: int
    max_tokens: int
    text_limit: int = 16_384
    token_budget: int = 1_024


class TorchEncoder:
    """A `TextEncoder`."""

    def __init__(self, directory: ModelDirectory, provider: str) -> None:
        """Load the encoder onto a device.

        Raises:
            ConfigurationError: A file is missing or does not fit, or the device is not there.
        """
        self._settings = settings = part(directory, "encoder", TorchSettings)
        if TOKENIZER_FILE not in directory.files:
            raise ConfigurationError(f"the model has no {TOKENIZER_FILE}; restore its release")
        self._tokens = TokenIds(
            directory.files[TOKENIZER_FILE], max_tokens=settings.max_tokens, text_limit=settings.text_limit
        )
        self._device = torch_device(provider)
        encoder = pooled_encoder(directory.files)
        if encoder.dims != settings.dims:
            raise ConfigurationError(f"the encoder gives {encoder.dims} numbers, its manifest says {settings.dims}")
        self._encoder = encoder.to(self._device)
        self._padding = PaddingCount()

    @property
    def dims(self) -> int:
        """Numbers in a vector."""
        return self._settings.dims

    @property
    def padding(self) -> Padding:
        """Of everything that the calling thread has embedded so far."""
        return self._padding.so_far

    def prepare(self, texts: Sequence[str]) -> list[PreparedText]:
        """Cut and tokenize; same length and order."""
        return self._tokens.prepare(texts)

    def embed(self, texts: Sequence[PreparedText]) -> "FloatArray":
        """Vectors of length one: float32 [texts, dims], rows in the order of the texts.

        Raises:
            InferenceFailed: A text was not prepared for this encoder, or PyTorch refused the batch.
            DeviceFailed: It gave something that is no vector of length one.
        """
        vectors, padding = embed_in_batches(texts, self._settings, self._run)
        self._padding.so_far += padding
        return vectors

    def _run(self, texts: Sequence[PreparedText], width: int) -> "FloatArray":
        ids = np.zeros((len(texts), width), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, text in enumerate(texts):
            length = len(text.ids) // 4
            ids[row, :length] = np.frombuffer(text.ids, dtype=np.int32)
            mask[row, :length] = 1
        # PyTorch raises RuntimeError and IndexError, and backends add their own kinds.
        try:
            with torch.inference_mode():
                inputs = [torch.from_numpy(each).to(self._device) for each in (ids, mask)]
                vectors: FloatArray = self._encoder(*inputs).cpu().numpy()
        except Exception as exc:
            raise InferenceFailed("the encoder failed in PyTorch; see the log of the worker") from exc
        if vectors.shape != (len(texts), self.dims):
            raise DeviceFailed("the encoder gave the wrong number of rows")
        return vectors


def torch_device(provider: str) -> torch.device:
    """The device of a provider's name.

    Raises:
        ConfigurationError: It is not there.
    """
    name = _DEVICES.get(provider, provider)
    try:
        if name.startswith("npu"):
            import_module("torch_npu")  # registers the device
        device = torch.device(name)
        # Naming a device that is not there is no error; using it is.
        torch.zeros(1, device=device)
    # Which error depends on how PyTorch was built.
    except (ImportError, RuntimeError, AssertionError, NotImplementedError) as exc:
        raise ConfigurationError(
            f"PyTorch has no device {name[:40]!r} here; choose cpu or install its backend"
        ) from exc
    return device


def load_torch_head(directory: ModelDirectory, provider: str) -> HeadedModel:
    """Family `torch_head`.

    Raises:
        ConfigurationError: Something in the directory does not fit, or the device is not there.
    """
    return headed(directory, TorchEncoder(directory, provider))
