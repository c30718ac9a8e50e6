"""The tagger's network in ONNX Runtime: tokens and shapes in, logarithms of the tags' probabilities out.

The graph is exported by `sealstream.training.tagger_network`. Its inputs are `input_ids`, `attention_mask` and
`shapes`, int64 [batch, length]; its output is `scores`, float32 [batch, length, tags].
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from agents.inference.batching import plan
from agents.inference.engine import InferenceFailed
from agents.inference.onnx_file import opsets
from agents.inference.onnx_session import open_session
from agents.inference.padding import Padding
from agents.inference.text_model import DeviceFailed
from schemas.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy.typing as npt

    from agents.inference.tagger.decoding import FloatArray
    from agents.inference.tagger.tokens import IntArray

GRAPH_FILE: Final = "tagger.onnx"
INPUTS: Final = ("input_ids", "attention_mask", "shapes")
OUTPUT: Final = "scores"
OPSET: Final = 17
_TOKEN_BUDGET: Final = 512
_MAX_ITEMS: Final = 64


class TaggerGraph:
    """A loaded graph.

    Args:
        content: The graph's file.
        tags: Numbers that it gives for a token.
        begin: Token before each window.
        end: Token after each window.
        provider: Execution provider of ONNX Runtime that must be in force.

    Raises:
        ConfigurationError: It is no such graph, does not compute, or the provider is not in force.
    """

    def __init__(self, content: bytes, *, tags: int, begin: int, end: int, provider: str) -> None:
        found = opsets(content).get("")
        if found != OPSET:
            raise ConfigurationError(f"{GRAPH_FILE} is for operator set {found}, not {OPSET}; train the model again")
        self._session = open_session(content, provider)
        self._tags, self._begin, self._end = tags, begin, end
        self.padding = Padding()
        self._check_signature()
        # Weights that are no numbers show in what they compute.
        try:
            self.scores([np.zeros((2, length), dtype=np.int32) for length in (0, 1, 1, 7)])
        except InferenceFailed as exc:
            raise ConfigurationError(f"{GRAPH_FILE} does not compute probabilities; restore its release") from exc
        self.padding = Padding()

    def scores(self, pieces: "Sequence[IntArray]") -> "list[FloatArray]":
        """Logarithms of probabilities: float32 [tokens, tags] for each piece.

        Args:
            pieces: Ids and shapes of a window's tokens: int32 [2, tokens].

        Raises:
            InferenceFailed: The runtime refused a batch.
            DeviceFailed: It gave something that is no probability.
        """
        lengths = [each.shape[1] + 2 for each in pieces]
        batches = plan(lengths, _TOKEN_BUDGET, _MAX_ITEMS)
        self.padding += batches.padding
        results: list[FloatArray] = [np.empty((0, self._tags), dtype=np.float32)] * len(pieces)
        for places in batches.rows:
            batch = self._run([pieces[place] for place in places], lengths[places[0]])
            for place, row in zip(places, batch, strict=True):
                results[place] = row[1 : lengths[place] - 1]
        return results

    def _run(self, pieces: "Sequence[IntArray]", width: int) -> "FloatArray":
        inputs: npt.NDArray[np.int64] = np.zeros((len(INPUTS), len(pieces), width), dtype=np.int64)
        ids, mask, shapes = inputs
        for row, piece in enumerate(pieces):
            end = piece.shape[1] + 1
            ids[row, 0], ids[row, 1:end], ids[row, end] = self._begin, piece[0], self._end
            shapes[row, 1:end] = piece[1]
            mask[row, : end + 1] = 1
        # ONNX Runtime raises classes of its own C module, which share no documented base.
        try:
            (scores,) = self._session.run([OUTPUT], dict(zip(INPUTS, inputs, strict=True)))
        except Exception as exc:
            raise InferenceFailed("the tagger failed in the runtime; see the log of the worker") from exc
        if scores.shape != (len(pieces), width, self._tags) or not np.isfinite(scores).all():
            raise DeviceFailed("the tagger gave something that is no probability")
        return np.asarray(scores, dtype=np.float32)

    def _check_signature(self) -> None:
        inputs = {each.name: (each.type, len(each.shape)) for each in self._session.get_inputs()}
        outputs = {each.name: (each.type, each.shape[-1:]) for each in self._session.get_outputs()}
        if inputs != dict.fromkeys(INPUTS, ("tensor(int64)", 2)):
            raise ConfigurationError(f"{GRAPH_FILE} takes other inputs than {', '.join(INPUTS)}; train the model again")
        if outputs != {OUTPUT: ("tensor(float)", [self._tags])}:
            raise ConfigurationError(
                f"{GRAPH_FILE} gives other labels than its manifest names; take both from one release"
            )
