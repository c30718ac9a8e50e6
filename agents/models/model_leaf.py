"""What a leaf of the kind `model` says of a version of a model. Making the change is agents.models.curator."""

from agents.inference.evaluation import hex_digest
from schemas.leaf import ModelChange
from streams.storage.models import ModelRow


def model_change(row: ModelRow, change: str, *, loss: float | None = None, reason: str | None = None) -> ModelChange:
    """What a leaf says of a version as it is stored."""
    return ModelChange(
        card=hex_digest(row.card.encode()),
        change=change,
        digest=row.digest,
        follows=row.follows,
        loss=None if loss is None else f"{loss:g}",
        metrics=hex_digest(row.metrics),
        name=row.name,
        reason=reason,
        shadow=row.shadow,
        share=row.share,
        stage=row.stage,
        version=row.version,
    )
