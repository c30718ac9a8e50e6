"""A sentence encoder in ONNX Runtime: token ids in, vectors of length one out, pooling inside the graph.

The graph is exported by `sealstream.training.encoder_export`. Its inputs are `input_ids` and `attention_mask`, int64
[batch, length]; its output is `embedding`, float32 [batch, dims].
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from agents.inference.buffers import BatchBuffers, BufferPool
from agents.inference.embedding import MAX_ITEMS, embed_in_batches
from agents.inference.engine import InferenceFailed
from agents.inference.onnx_file import opsets
from agents.inference.onnx_session import open_session
from agents.inference.padding import Padding, PaddingCount
from agents.inference.text_model import PreparedText
from agents.inference.tokenizing import TokenIds
from schemas.errors import ConfigurationError

if TYPE_CHECKING:
    from agents.inference.text_encoder import FloatArray

ENCODER_FILE: Final = "encoder.onnx"
TOKENIZER_FILE: Final = "tokenizer.json"
INPUTS: Final = ("input_ids", "attention_mask")
OUTPUT: Final = "embedding"


class EncoderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a manifest says of its encoder.

    Attributes:
        dims: Numbers in a vector.
        max_tokens: Of a text; what is longer is cut.
        opset: Version of the standard operators that the graph was exported for.
        text_limit: Characters that are read of a text.
        threads: Of one call.
        token_budget: Padded tokens of one call; caches are small, so more of them is slower on a CPU.
    """

    dims: int
    max_tokens: int
    opset: int
    text_limit: int = 16_384
    threads: int = 1
    token_budget: int = 512

    def __post_init__(self) -> None:
        """Refuse what no encoder can have."""
        if min(self.dims, self.max_tokens, self.opset, self.text_limit, self.threads) < 1:
            raise ValueError("every number of the encoder's settings must be at least 1")
        if self.token_budget < self.max_tokens:
            raise ValueError("the token budget must hold the longest text")


class OnnxEncoder:
    """A `TextEncoder`."""

    def __init__(self, files: Mapping[str, bytes], settings: EncoderSettings, provider: str) -> None:
        """Load graph and tokenizer, and try them.

        Raises:
            ConfigurationError: A file is missing or is not what it must be, or the provider is not in force.
        """
        missing = {ENCODER_FILE, TOKENIZER_FILE} - set(files)
        if missing:
            raise ConfigurationError(f"the model has no {' and no '.join(sorted(missing))}; restore its release")
        graph = files[ENCODER_FILE]
        found = opsets(graph).get("")
        if found != settings.opset:
            raise ConfigurationError(
                f"{ENCODER_FILE} is for operator set {found}, its manifest says {settings.opset}; export it again"
            )
        self._settings = settings
        self._tokens = TokenIds(files[TOKENIZER_FILE], max_tokens=settings.max_tokens, text_limit=settings.text_limit)
        self._session = open_session(graph, provider, settings.threads)
        self._check_signature()
        self._pool = BufferPool(settings.token_budget, MAX_ITEMS, settings.dims, self._session)
        self._padding = PaddingCount()
        self._try()

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
            InferenceFailed: A text was not prepared for this encoder, or the runtime refused the batch.
            DeviceFailed: The runtime gave something that is no vector of length one.
        """
        with self._pool.taken() as buffers:
            vectors, padding = embed_in_batches(texts, self._settings, partial(self._run, buffers=buffers))
        self._padding.so_far += padding
        return vectors

    def _run(self, texts: Sequence[PreparedText], width: int, buffers: BatchBuffers) -> "FloatArray":
        """One call; what it returns is only good until the buffers are used again."""
        count = len(texts)
        shape = (count, width)
        ids = buffers.ids[: count * width].reshape(shape)
        mask = buffers.mask[: count * width].reshape(shape)
        output = buffers.output[: count * self.dims].reshape(count, self.dims)
        ids.fill(0)
        mask.fill(0)
        # What the runtime leaves alone must not look like an answer.
        output.fill(np.nan)
        for row, text in enumerate(texts):
            length = len(text.ids) // 4
            ids[row, :length] = np.frombuffer(text.ids, dtype=np.int32)
            mask[row, :length] = 1
        binding = buffers.binding
        for name, array in zip(INPUTS, (ids, mask), strict=True):
            binding.bind_input(name, "cpu", 0, np.int64, shape, array.ctypes.data)
        binding.bind_output(OUTPUT, "cpu", 0, np.float32, output.shape, output.ctypes.data)
        # ONNX Runtime raises classes of its own C module, which share no documented base.
        try:
            self._session.run_with_iobinding(binding)
        except Exception as exc:
            raise InferenceFailed("the encoder failed in the runtime; see the log of the worker") from exc
        return output

    def _check_signature(self) -> None:
        inputs = {each.name: (each.type, len(each.shape)) for each in self._session.get_inputs()}
        outputs = {each.name: (each.type, each.shape[-1:]) for each in self._session.get_outputs()}
        if inputs != dict.fromkeys(INPUTS, ("tensor(int64)", 2)):
            raise ConfigurationError(f"{ENCODER_FILE} takes other inputs than {' and '.join(INPUTS)}; export it again")
        if outputs != {OUTPUT: ("tensor(float)", [self.dims])}:
            raise ConfigurationError(
                f"{ENCODER_FILE} gives other outputs than {OUTPUT} of {self.dims} numbers; export it again"
            )

    def _try(self) -> None:
        """Weights that are no numbers show in what they compute, a fixed batch in two texts of the same length."""
        try:
            self.embed(self.prepare(["", "", "A text.\u4e00"]))
        except InferenceFailed as exc:
            raise ConfigurationError("the encoder does not compute vectors; restore it from the release") from exc
        self._padding = PaddingCount()
