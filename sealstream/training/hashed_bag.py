"""The hashed-bag classifier: sparse matrix, fit, temperature, and its ONNX graph.

What a feature is belongs to `agents.inference.features`; what is learned from belongs to the module of the model.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from scipy.optimize import minimize_scalar  # scipy ships no types
from scipy.sparse import csr_matrix  # the same
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from agents.inference.engine import ModelInput
from agents.inference.features import CONTEXT_IDS, FeatureHasher, FeatureParameters

_OPSET = 17
_IR_VERSION = 8


def matrix(items: Sequence[ModelInput], parameters: FeatureParameters) -> Any:
    """Features of items as a sparse float32 matrix [items, buckets].

    Each id of the text counts 1/sqrt(ids of the text), so that a long text does not drown sign and amount, whose ids
    count 1.
    """
    hasher = FeatureHasher(parameters)
    columns, values, ends = [], [], [0]
    for item, ids in zip(items, hasher.text_ids([item.text for item in items]), strict=True):
        text = np.frombuffer(ids, dtype=np.int32)
        context = np.frombuffer(hasher.context_ids(item), dtype=np.int32)
        columns += [text, context]
        values += [np.full(len(text), 1.0 / np.sqrt(max(len(text), 1))), np.ones(len(context))]
        ends.append(ends[-1] + len(text) + len(context))
    shape = (len(items), parameters.buckets)
    data = np.concatenate(values).astype(np.float32)
    result = csr_matrix((data, np.concatenate(columns), np.asarray(ends)), shape=shape)
    result.sum_duplicates()
    return result


def fit(features: Any, kinds: Sequence[str], inverse_regularisation: float, iterations: int) -> LogisticRegression:
    """Fit a multinomial logistic regression; deterministic for the same input on the same machine."""
    model = LogisticRegression(C=inverse_regularisation, max_iter=iterations, tol=1e-3)
    with warnings.catch_warnings():
        # Stopping after a number of iterations is meant; the held-out scores say whether it was enough.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, np.asarray(kinds))
    return model


def temperature(model: LogisticRegression, features: Any, kinds: Sequence[str]) -> float:
    """The temperature that makes the model's probabilities fit data it was not trained on best (log loss)."""
    scores = model.decision_function(features)
    gold = np.searchsorted(model.classes_, np.asarray(kinds))

    def loss(t: float) -> float:
        scaled = scores / t
        scaled -= scaled.max(axis=1, keepdims=True)
        normaliser = np.log(np.exp(scaled).sum(axis=1))
        return float((normaliser - scaled[np.arange(len(gold)), gold]).mean())

    return float(minimize_scalar(loss, bounds=(0.5, 5.0), method="bounded").x)


def cool(model: LogisticRegression, t: float) -> None:
    """Divide a model's scores by a temperature, for good."""
    model.coef_ = model.coef_ / t
    model.intercept_ = model.intercept_ / t


def to_onnx(model: LogisticRegression) -> bytes:
    """The model as an ONNX file.

    Inputs: `text` int32 [n, ids], `context` int32 [n, 5]. Output: `probabilities` float32 [n, labels].
    Bucket 0 pads `text`: its row of weights is zero, and it does not count towards the length.
    """
    weights = np.ascontiguousarray(model.coef_.T, dtype=np.float32)
    weights[0] = 0.0
    constants = {
        "weights": weights,
        "bias": model.intercept_.astype(np.float32),
        "zero": np.asarray(0, dtype=np.int32),
        "one": np.asarray(1.0, dtype=np.float32),
        "ids_axis": np.asarray([1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["weights", "text"], ["text_rows"], axis=0),
        helper.make_node("ReduceSum", ["text_rows", "ids_axis"], ["text_sum"], keepdims=0),
        helper.make_node("Greater", ["text", "zero"], ["is_id"]),
        helper.make_node("Cast", ["is_id"], ["is_id_number"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["is_id_number", "ids_axis"], ["ids"], keepdims=1),
        helper.make_node("Max", ["ids", "one"], ["ids_or_one"]),
        helper.make_node("Sqrt", ["ids_or_one"], ["length"]),
        helper.make_node("Div", ["text_sum", "length"], ["text_score"]),
        helper.make_node("Gather", ["weights", "context"], ["context_rows"], axis=0),
        helper.make_node("ReduceSum", ["context_rows", "ids_axis"], ["context_score"], keepdims=0),
        helper.make_node("Add", ["text_score", "context_score"], ["score"]),
        helper.make_node("Add", ["score", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "hashed_bag",
        [
            helper.make_tensor_value_info("text", TensorProto.INT32, ["n", "ids"]),
            helper.make_tensor_value_info("context", TensorProto.INT32, ["n", CONTEXT_IDS]),
        ],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", weights.shape[1]])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="sealstream")
    proto.ir_version = _IR_VERSION
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString(deterministic=True))
