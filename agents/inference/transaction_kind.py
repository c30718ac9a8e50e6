"""What the transaction-kind model sees of a transaction, and the model that ships with the product.

The model's card beside the model file says what it was trained on, how it was measured and where it fails.
"""

from pathlib import Path
from typing import Final

from agents.inference.engine import Engine, ModelInput
from schemas.transaction import Transaction

TRANSACTION_KIND: Final = "transaction_kind"
MODEL_DIRECTORY = Path(__file__).parent / "models" / TRANSACTION_KIND

SHIPPED: Final = frozenset(
    {
        # Of releases that named a model by the digest of its one file.
        "transaction_kind@1.0.0 sha256:65ce62964a67ec15f7295ba59ad5fb8e2ff003aa2425a2d427783de2440adead",
        "transaction_kind@1.0.0 sha256:910768cd4c19c8d7e50b63f8ac8b23da9245966f1f951814b3ab21dd88524426",
    }
)
"""Every model of this name that a release has shipped, as leaves name it: in force until the registry has one."""


def model_input(transaction: Transaction) -> ModelInput:
    """The texts, amount and sign of a transaction.

    The bank transaction code stays out: where it is present it is the answer itself, and it was hidden in training.
    The bank's own words come first, because long texts are cut.
    """
    parts = (
        transaction.additional_information,
        transaction.remittance_information,
        transaction.purpose,
        transaction.counterparty_name,
    )
    text = "\n".join([part for part in parts if part])
    return ModelInput(text, transaction.amount, transaction.credit_debit)


def load_default_engine() -> Engine:
    """The shipped model on the CPU. Imports ONNX Runtime.

    Raises:
        ConfigurationError: The installed model files are missing or damaged.
    """
    from agents.inference.onnx_engine import OnnxEngine

    return OnnxEngine(MODEL_DIRECTORY)
