"""The engine that runs a hashed-bag model with ONNX Runtime. Training and export are `sealstream.training`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from agents.inference.engine import Decision, InferenceFailed, ModelIdentity, ModelInput
from agents.inference.features import CONTEXT_IDS, FeatureHasher, FeatureParameters
from agents.inference.model_directory import MANIFEST_NAME, ModelManifest, open_directory
from agents.inference.onnx_session import CPU, open_session
from agents.inference.word_hashes import BYTES_PER_ID
from schemas.errors import ConfigurationError

FAMILY = "hashed_bag"
MODEL_FILE = "model.onnx"
_CHUNK_BYTES = 32_768


class OnnxEngine:
    """An `Engine` over one model directory; the model file is loaded only if its digest is the manifest's."""

    def __init__(self, directory: Path, provider: str = CPU, cache_limit: int = 50_000) -> None:
        """Load and check a model.

        Args:
            directory: A model directory of the family `hashed_bag`.
            provider: Execution provider of ONNX Runtime that must be in use.
            cache_limit: Words the feature hasher remembers.

        Raises:
            ConfigurationError: Directory, manifest, digest, graph or provider are not what they must be.
        """
        opened = open_directory(directory)
        features = _features(opened.manifest)
        self._session = open_session(opened.files[MODEL_FILE], provider)
        self._hasher = FeatureHasher(features, cache_limit)
        self._model = opened.manifest.identity

    @property
    def model(self) -> ModelIdentity:
        """The loaded model."""
        return self._model

    def classify(self, items: Sequence[ModelInput]) -> list[Decision]:
        """Decide every item of a frame; the answers have the same length and order.

        Raises:
            InferenceFailed: The runtime failed, or its output has the wrong shape or is not a distribution.
        """
        if not items:
            return []
        probabilities = self.probabilities(items)
        best = probabilities.argmax(axis=1)
        labels = self._model.labels
        confidences = probabilities[np.arange(len(items)), best].tolist()
        return [Decision(labels[i], confidence) for i, confidence in zip(best.tolist(), confidences, strict=True)]

    def probabilities(self, items: Sequence[ModelInput]) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
        """Probabilities of every label: float32 [items, labels], rows in the order of the items.

        Raises:
            InferenceFailed: The runtime failed, or its output has the wrong shape or is not a distribution.
        """
        texts = self._hasher.text_ids([item.text for item in items])
        contexts = [self._hasher.context_ids(item) for item in items]
        # One long text would pad every short one to its length: chunks of similar lengths keep the matrix small.
        order = sorted(range(len(items)), key=[len(each) for each in texts].__getitem__)
        result = np.empty((len(items), len(self._model.labels)), dtype=np.float32)
        end = len(order)
        while end:
            # Padding to a multiple of 16 ids: fewer distinct shapes, so that the runtime's arena is reused.
            width = -(-max(len(texts[order[end - 1]]), BYTES_PER_ID) // 64) * 64
            rows = order[max(end - max(_CHUNK_BYTES // width, 1), 0) : end]
            text = np.frombuffer(b"".join([texts[i].ljust(width, b"\0") for i in rows]), dtype=np.int32)
            context = np.frombuffer(b"".join([contexts[i] for i in rows]), dtype=np.int32)
            result[rows] = self._run(text.reshape(len(rows), -1), context.reshape(len(rows), CONTEXT_IDS))
            end -= len(rows)
        # A NaN or an infinity anywhere makes a row's sum differ from one.
        if not bool((np.abs(result.sum(axis=1) - 1.0) < 1e-3).all()):
            raise InferenceFailed(f"model {self._model.name} gave no distribution for at least one item")
        return result

    def _run(self, text: Any, context: Any) -> Any:
        try:
            (output,) = self._session.run(None, {"text": text, "context": context})
        # ONNX Runtime raises classes of its own C module, which share no documented base.
        except Exception as exc:
            raise InferenceFailed(f"model {self._model.name} failed in the runtime; see the log of the worker") from exc
        if output.shape != (len(text), len(self._model.labels)):
            raise InferenceFailed(f"model {self._model.name} gave the wrong number of answers")
        return output


def _features(manifest: ModelManifest) -> FeatureParameters:
    if (manifest.family, manifest.modality, set(manifest.files)) != (FAMILY, "transaction", {MODEL_FILE}):
        raise ConfigurationError(
            f"{MANIFEST_NAME} names no {FAMILY} model of transactions with the one file {MODEL_FILE}; "
            "name a directory that holds such a model"
        )
    try:
        return msgspec.convert(manifest.settings, FeatureParameters)
    except msgspec.ValidationError as exc:
        raise ConfigurationError(f"settings in {MANIFEST_NAME} are no feature parameters: {exc}") from exc
