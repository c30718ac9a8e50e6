"""A tagger in miniature: a real graph and tokenizer whose tags are those of the words themselves."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from agents.inference.model_directory import ModelManifest
from agents.inference.onnx_encoder import TOKENIZER_FILE
from agents.inference.tagger.graph import GRAPH_FILE, INPUTS, OPSET, OUTPUT
from agents.inference.tagger.tokens import SHAPES

KINDS = ("PERSON", "LOCATION")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
TAGS = {"anna": 1, "berg": 2, "##son": 0, "oslo": 3, "bay": 4}
VOCABULARY = (*SPECIAL, *TAGS, "pay", "in")
SURE = 4.0


def tokenizer_json() -> bytes:
    vocabulary = {word: at for at, word in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer.to_str().encode()


def graph_onnx(*, tags: int = 1 + 2 * len(KINDS), spoil: bool = False, drop_rows: bool = False) -> bytes:
    """Each word's own row of a table, and one of its shape.

    Args:
        tags: Numbers for a token.
        spoil: With a weight that is no number.
        drop_rows: It gives one row, whatever it is given.
    """
    table = np.zeros((len(VOCABULARY), tags), dtype=np.float32)
    table[:, 0] = 1
    for word, tag in TAGS.items():
        if tag < tags:
            table[VOCABULARY.index(word), tag] = SURE
    if spoil:
        table[2, 0] = np.nan
    constants = {
        "table": table,
        "shape_table": np.zeros((SHAPES, tags), dtype=np.float32),
        "first": np.asarray([0], dtype=np.int64),
        "one": np.asarray([1], dtype=np.int64),
        "last": np.asarray([2], dtype=np.int64),
    }
    summed = "all_rows" if drop_rows else "sum"
    nodes = [
        helper.make_node("Gather", ["table", INPUTS[0]], ["words"], axis=0),
        helper.make_node("Gather", ["shape_table", INPUTS[2]], ["forms"], axis=0),
        helper.make_node("Cast", [INPUTS[1]], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["wide_mask"]),
        helper.make_node("Mul", ["forms", "wide_mask"], ["masked"]),
        helper.make_node("Add", ["words", "masked"], [summed]),
        helper.make_node("LogSoftmax", ["sum"], [OUTPUT], axis=-1),
    ]
    if drop_rows:
        nodes.insert(6, helper.make_node("Slice", ["all_rows", "first", "one", "first"], ["sum"]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in INPUTS],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", "length", tags])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    proto.ir_version = 8
    return bytes(proto.SerializeToString())


def manifest(**changes: object) -> ModelManifest:
    members: dict[str, object] = {
        "name": "names",
        "version": "1",
        "family": "tagger",
        "task": "extract",
        "modality": "text",
        "labels": KINDS,
        "files": {},
        "settings": {"calibration": {"scale": 1.0, "shift": 0.0}},
    }
    return ModelManifest(**(members | changes))  # type: ignore[arg-type]


def files(**changes: bytes) -> dict[str, bytes]:
    """Contents by what they are: `graph`, `tokenizer`."""
    given = {"graph": graph_onnx(), "tokenizer": tokenizer_json()} | changes
    return {GRAPH_FILE: given["graph"], TOKENIZER_FILE: given["tokenizer"]}
