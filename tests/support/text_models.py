"""A text classifier in miniature: a real graph and tokenizer, so that engines are tested without a trained encoder."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from agents.inference.linear_head import HEAD_FILE, head_bytes
from agents.inference.model_directory import ModelManifest, write_directory
from agents.inference.onnx_encoder import ENCODER_FILE, TOKENIZER_FILE

WORDS = ("fee", "salary", "rent", "the", "of", "may", "利", "息")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
VOCABULARY = (*SPECIAL, *WORDS)
LABELS = ("fee", "salary", "rent")
DIMS = len(VOCABULARY)
MAX_TOKENS = 16
OPSET = 17


def tokenizer_json() -> bytes:
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer.to_str().encode()


def encoder_onnx(*, spoil: bool = False, drop_rows: bool = False, opset: int = OPSET) -> bytes:
    """A mean of one vector for each token, normalised: what the exported encoders do, without their layers.

    Args:
        spoil: With a weight that is no number.
        drop_rows: It gives one row, whatever it is given.
    """
    table = np.eye(DIMS, dtype=np.float32) + np.float32(0.01)
    if spoil:
        table[2, 0] = np.nan
    constants = {
        "table": table,
        "axis": np.asarray([1], dtype=np.int64),
        "last": np.asarray([2], dtype=np.int64),
        "first": np.asarray([0], dtype=np.int64),
        "one": np.asarray([1], dtype=np.int64),
    }
    summed = "all_rows" if drop_rows else "sum"
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"], axis=0),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["wide_mask"]),
        helper.make_node("Mul", ["rows", "wide_mask"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "axis"], [summed], keepdims=0),
        helper.make_node("ReduceL2", ["sum"], ["length"], axes=[1], keepdims=1),
        helper.make_node("Div", ["sum", "length"], ["embedding"]),
    ]
    if drop_rows:
        nodes.insert(5, helper.make_node("Slice", ["all_rows", "first", "one", "first"], ["sum"]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", DIMS])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    proto.ir_version = 8
    return bytes(proto.SerializeToString())


def head(scale: float = 20.0) -> bytes:
    """Each label's own word decides."""
    weights = np.zeros((DIMS, len(LABELS)), dtype=np.float32)
    for column, label in enumerate(LABELS):
        weights[VOCABULARY.index(label), column] = scale
    return head_bytes(weights, np.zeros(len(LABELS), dtype=np.float32))


def manifest(**changes: object) -> ModelManifest:
    members: dict[str, object] = {
        "name": "tiny",
        "version": "1.0.0",
        "family": "encoder_head",
        "task": "classify",
        "modality": "text",
        "labels": LABELS,
        "files": {},
        "settings": {
            "encoder": {"dims": DIMS, "max_tokens": MAX_TOKENS, "opset": OPSET, "token_budget": 64},
            "head": {"temperature": 1.0, "threshold": 0.5},
        },
    }
    return ModelManifest(**(members | changes))  # type: ignore[arg-type]


def files(**changes: bytes) -> dict[str, bytes]:
    """Contents by what they are: `encoder`, `tokenizer`, `head`."""
    given = {"encoder": encoder_onnx(), "tokenizer": tokenizer_json(), "head": head()} | changes
    return {ENCODER_FILE: given["encoder"], TOKENIZER_FILE: given["tokenizer"], HEAD_FILE: given["head"]}


def write_tiny(path: Path, **changes: object) -> Path:
    """A model directory that works."""
    write_directory(path, manifest(**changes), files())
    return path
