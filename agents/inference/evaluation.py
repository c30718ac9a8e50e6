"""How a model did on labelled data, as the registry keeps it. Running an evaluation is `sealstream.evaluators`."""

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from schemas.errors import ConfigurationError

_ENCODER: Final = msgspec.json.Encoder(order="sorted")


class LabelScore(msgspec.Struct, frozen=True, kw_only=True):
    """One label.

    Attributes:
        support: Examples whose gold label it is.
        precision: Of the examples that were given it, the share that has it.
        recall: Of the examples that have it, the share that was given it.
    """

    support: int
    precision: float
    recall: float
    f1: float


class Evaluation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model on one set of labelled data.

    Attributes:
        dataset: Its name.
        digest: SHA-256 of what was read, hex: only scores on the same data are compared.
        items: Examples.
        score: What activation compares: a classifier's accuracy, an extractor's micro-averaged F1; 0 to 1.
        macro_f1: Mean F1 over the labels with examples enough.
        calibration_error: Expected, over bins of confidence (ECE); None without confidences.
        coverage: Share of the examples on which a classifier does not abstain, at its own threshold.
        covered_score: Accuracy on those.
        labels: Of each label.
    """

    dataset: str
    digest: str
    items: int
    score: float
    macro_f1: float
    calibration_error: float | None = None
    coverage: float = 1.0
    covered_score: float | None = None
    labels: dict[str, LabelScore] = {}


Evaluations = Mapping[str, Evaluation]
"""By the name of the data; the last one of each."""


def encode_evaluations(evaluations: Evaluations) -> bytes:
    """Their canonical form, whose digest stands in the leaves."""
    return _ENCODER.encode(evaluations)


def decode_evaluations(stored: bytes) -> dict[str, Evaluation]:
    """Read them back.

    Raises:
        ConfigurationError: They are none.
    """
    try:
        return msgspec.json.decode(stored, type=dict[str, Evaluation])
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        raise ConfigurationError("what the registry holds of a model's evaluations is none; evaluate it again") from exc


def hex_digest(content: bytes) -> str:
    """SHA-256, as leaves hold it."""
    return hashlib.sha256(content).hexdigest()


def refuse_if_worse(candidate: Evaluations, active: Evaluations | None, max_loss: float) -> None:
    """See that a candidate was measured, and is not worse than the active version by more than is allowed.

    Args:
        active: None where there is no active version.
        max_loss: Of the score, on every set of data that both were measured on.

    Raises:
        ConfigurationError: It was not, or it is.
    """
    if not candidate:
        raise ConfigurationError(
            "this version was not evaluated; see `sealstream models evaluate`, or say why not with --unevaluated"
        )
    if active is None:
        return
    both = [name for name in sorted(candidate) if name in active and candidate[name].digest == active[name].digest]
    if not both:
        raise ConfigurationError(
            "this version and the active one were not evaluated on the same data; evaluate both with "
            "`sealstream models evaluate`, or say why not with --unevaluated"
        )
    for name in both:
        loss = active[name].score - candidate[name].score
        if loss > max_loss:
            raise ConfigurationError(
                f"on {name} this version scores {candidate[name].score:.4f} and the active one "
                f"{active[name].score:.4f}: {loss:.4f} worse, and {max_loss:g} is allowed; see --max-loss"
            )
