"""Which labels a person may choose from: those of the model that left the record open."""

from collections.abc import Sequence

from agents.inference.transaction_kind import MODEL_DIRECTORY


def shipped_labels(model: str) -> Sequence[str] | None:
    """The labels of a model that ships with the product, by its name in leaves; None for any other.

    Raises:
        ConfigurationError: The installed model files are missing or damaged.
    """
    from agents.inference.onnx_engine import OnnxEngine

    identity = OnnxEngine(MODEL_DIRECTORY).model
    return identity.labels if model == identity.reference else None
