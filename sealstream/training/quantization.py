"""Makes an INT8 version of a model whose encoder is an ONNX graph, with what it costs and saves in its card.

Weights are symmetric, one scale for each output channel. `dynamic` finds the scales of activations while it runs,
`static` has them from texts it was calibrated on. The second MatMul of each feed-forward block stays float32: its
inputs have outliers that eight bits don't hold (Bondarenko et al., "Understanding and overcoming the challenges of
efficient transformer quantization", EMNLP 2021). Needs the extra `train`. Whether a model that lost accuracy may become
active is the registry's to say.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from agents.inference.families import CPU, load_text_model
from agents.inference.model_directory import CARD_NAME, ModelDirectory, ModelManifest, open_directory, write_directory
from agents.inference.model_metrics import METRICS_NAME, ModelMetrics
from agents.inference.onnx_encoder import ENCODER_FILE, INPUTS
from agents.inference.text_model import PreparedText
from schemas.errors import ConfigurationError
from sealstream.evaluators.evaluation import LabelledTexts, evaluate
from sealstream.training.text_head_card import metrics_table

if TYPE_CHECKING:
    import numpy.typing as npt

Method = Literal["dynamic", "static"]

CALIBRATION_TEXTS: Final = 256
_QUANTIZED: Final = ("MatMul",)
_WIDE: Final = 4
"""Times as many inputs as outputs: how the second MatMul of a feed-forward block is known."""


def quantize(
    source: Path,
    target: Path,
    version: str,
    method: Method,
    test: LabelledTexts,
    calibration: Sequence[str] = (),
) -> tuple[ModelMetrics, ModelMetrics]:
    """Write an INT8 version of a model; both are measured in the same run.

    Args:
        source: Directory of the model.
        target: Directory of the new version.
        version: Of the new one.
        method: How the scales of activations are found.
        test: What both are measured on.
        calibration: Texts for `static`, none of the test set; the first `CALIBRATION_TEXTS` are used.

    Returns:
        Metrics of the model as it was, and of the new one.

    Raises:
        ConfigurationError: The model has no ONNX encoder, or there are no texts to calibrate on.
        InferenceFailed: One of the two can't answer the test set.
    """
    old = open_directory(source)
    if ENCODER_FILE not in old.files:
        raise ConfigurationError(f"model {old.manifest.name} has no {ENCODER_FILE}; only such models can be quantized")
    if method == "static" and not calibration:
        raise ConfigurationError("static quantization needs texts to calibrate on; name some, or choose dynamic")
    model = load_text_model(old, CPU)
    graph = quantized_graph(old.files[ENCODER_FILE], method, model.prepare(calibration[:CALIBRATION_TEXTS]))
    kept = {name: content for name, content in old.files.items() if name not in (CARD_NAME, METRICS_NAME)}
    files = {**kept, ENCODER_FILE: graph}
    manifest = msgspec.structs.replace(old.manifest, version=version)
    new = ModelDirectory(target, manifest, files)
    before = evaluate(model, ModelDirectory(source, old.manifest, kept), test)
    after = evaluate(load_text_model(new, CPU), new, test)
    written = {
        **files,
        METRICS_NAME: msgspec.json.format(msgspec.json.encode(after), indent=2) + b"\n",
        CARD_NAME: _card(old, manifest, method, before, after).encode(),
    }
    write_directory(target, manifest, written)
    return before, after


def quantized_graph(graph: bytes, method: Method, calibration: Sequence[PreparedText]) -> bytes:
    """The graph with its MatMuls by constant weights in INT8.

    Args:
        graph: Of an encoder, see `onnx_encoder`.
        calibration: For `static`.
    """
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        before.write_bytes(graph)
        common: dict[str, Any] = {
            "op_types_to_quantize": list(_QUANTIZED),
            "nodes_to_exclude": _left_alone(onnx.load_from_string(graph)),
            "per_channel": True,
            "weight_type": QuantType.QInt8,
        }
        if method == "dynamic":
            quantize_dynamic(before, after, extra_options={"WeightSymmetric": True}, **common)
        else:
            quantize_static(
                before,
                after,
                _Calibration(calibration),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
                extra_options={"WeightSymmetric": True, "ActivationSymmetric": True},
                **common,
            )
        return after.read_bytes()


def _left_alone(model: Any) -> list[str]:
    """Names of the MatMuls that stay float32: of two activations, and the second of each feed-forward block."""
    shapes = {each.name: tuple(each.dims) for each in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "MatMul"
        and ((shape := shapes.get(node.input[1])) is None or (len(shape) == 2 and shape[0] >= _WIDE * shape[1]))
    ]


class _Calibration(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime is untyped
    """Texts one by one: a padded batch would calibrate on padding."""

    def __init__(self, texts: Sequence[PreparedText]) -> None:
        self._left = self._inputs(texts)

    def get_next(self) -> "dict[str, npt.NDArray[Any]] | None":
        """The next inputs; None at the end."""
        return next(self._left, None)

    @staticmethod
    def _inputs(texts: Sequence[PreparedText]) -> "Iterator[dict[str, npt.NDArray[Any]]]":
        for text in texts:
            ids = np.frombuffer(text.ids, dtype=np.int32).astype(np.int64)[None, :]
            yield dict(zip(INPUTS, (ids, np.ones_like(ids)), strict=True))


def _card(
    old: ModelDirectory, manifest: ModelManifest, method: Method, before: ModelMetrics, after: ModelMetrics
) -> str:
    rows: Mapping[str, ModelMetrics] = {
        f"{old.manifest.version}, as it was": before,
        f"{manifest.version}, INT8 {method}": after,
    }
    assert before.throughput_us is not None
    assert after.throughput_us is not None
    return f"""# {manifest.name} {manifest.version}

Version {old.manifest.version} (digest `{old.manifest.digest}`) with the encoder's weights in INT8: symmetric, one scale
for each channel, activations {method}; the second MatMul of each feed-forward block is float32. Head, labels,
temperature and threshold are the same; that version's card says what it was trained on.

## Measured on {after.dataset}, {after.examples:,} examples, in one run

{metrics_table(dict(rows))}

Accuracy lost: {before.accuracy - after.accuracy:.2%}. Size: {after.size_bytes / before.size_bytes:.0%} of what it was.
CPU time: {after.throughput_us / before.throughput_us:.0%}, which depends on the machine: without VNNI instructions
eight bits save little.
"""
