"""A text classifier out of an encoder and a linear head: what the families `encoder_head` and its kin open.

Each family has its encoder's module; the settings in the manifest have a part for the encoder and one for the head.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from agents.inference.engine import ModelIdentity
from agents.inference.linear_head import HEAD_FILE, HeadSettings, LinearHead, read_head
from agents.inference.model_directory import ModelDirectory
from agents.inference.onnx_encoder import EncoderSettings, OnnxEncoder
from agents.inference.padding import Padding
from agents.inference.text_encoder import TextEncoder
from agents.inference.text_model import DeviceFailed, PreparedText, TextAnswer
from schemas.errors import ConfigurationError

SettingsT = TypeVar("SettingsT", bound=msgspec.Struct)


class HeadedModel:
    """A `TextModel`."""

    def __init__(self, identity: ModelIdentity, encoder: TextEncoder, head: LinearHead) -> None:
        self._identity = identity
        self._encoder = encoder
        self._head = head

    @property
    def model(self) -> ModelIdentity:
        """Which model it is."""
        return self._identity

    @property
    def padding(self) -> Padding:
        """What was computed so far, and for how many tokens."""
        return self._encoder.padding

    def prepare(self, texts: Sequence[str]) -> list[PreparedText]:
        """Cut and tokenize; same length and order."""
        return self._encoder.prepare(texts)

    def answer(self, texts: Sequence[PreparedText]) -> list[TextAnswer]:
        """Answer a batch; same length and order.

        Raises:
            InferenceFailed: The texts may be to blame.
            DeviceFailed: The runtime gave too few rows, or none that is a number.
        """
        if not texts:
            return []
        vectors = self._encoder.embed(texts)
        if vectors.shape != (len(texts), self._encoder.dims):
            raise DeviceFailed(f"model {self._identity.name} gave the wrong number of rows")
        return self._head.answers(vectors)


def load_encoder_head(directory: ModelDirectory, provider: str) -> HeadedModel:
    """Family `encoder_head`: an exported encoder in ONNX Runtime.

    Raises:
        ConfigurationError: Something in the directory does not fit, or the provider is not in force.
    """
    settings = part(directory, "encoder", EncoderSettings)
    return headed(directory, OnnxEncoder(directory.files, settings, provider))


def headed(directory: ModelDirectory, encoder: TextEncoder) -> HeadedModel:
    """An encoder with the head of a directory.

    Raises:
        ConfigurationError: The head does not fit the encoder or the labels.
    """
    manifest = directory.manifest
    if HEAD_FILE not in directory.files or manifest.task != "classify":
        raise ConfigurationError(f"{manifest.name} has no {HEAD_FILE} or is no classifier; restore its release")
    head = read_head(directory.files[HEAD_FILE], encoder.dims, manifest.labels, part(directory, "head", HeadSettings))
    return HeadedModel(manifest.identity, encoder, head)


def part(directory: ModelDirectory, name: str, kind: type[SettingsT]) -> SettingsT:
    """A part of a manifest's settings.

    Raises:
        ConfigurationError: It is not there or has other members.
    """
    settings: Mapping[str, Any] = directory.manifest.settings
    try:
        return msgspec.convert(settings.get(name), kind)
    except (msgspec.ValidationError, ValueError) as exc:
        raise ConfigurationError(f"settings.{name} of model {directory.manifest.name}: {exc}") from exc
