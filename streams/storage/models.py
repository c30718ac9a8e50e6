"""The model registry as stored: versions of models and their stages, and what candidates said beside the active ones.

Changes are made within `changing_registry`, together with their leaves: agents.models.curator. Files are in the store.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import asyncpg

from schemas.errors import ConfigurationError
from streams.storage.database import Connection

Stage = Literal["candidate", "active", "retired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """A version of a model as registered.

    Attributes:
        digest: Of its manifest, hex.
        manifest: In canonical form; task, labels, family and files are in it.
        card: Markdown.
        metrics: How it did on which data: JSON, see agents.inference.evaluation.
        share: Percent of the records that it answers as a candidate.
        shadow: Whether it runs beside the active version, without its answer being used.
        follows: The version that was active before it.
    """

    name: str
    version: str
    digest: str
    manifest: bytes
    card: str = ""
    metrics: bytes = b"{}"
    stage: Stage = "candidate"
    share: int = 0
    shadow: bool = False
    follows: str | None = None

    @property
    def on_trial(self) -> bool:
        """Whether it is a candidate that is given records."""
        return self.share > 0 or self.shadow

    @property
    def in_force(self) -> bool:
        """Whether its answers become results."""
        return self.stage == "active" or self.share > 0


Pair = tuple[str, str, str, str, str]
"""Name, active version, version on trial, and the label that each gave; empty for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow:
    """How many records got this pair of labels."""

    name: str
    active: str
    trial: str
    label: str
    trial_label: str
    records: int


_COLUMNS = "name, version, digest, manifest, card, metrics, stage, share, shadow, follows"


async def list_models(connection: Connection) -> list[ModelRow]:
    """All versions of all models, in the order they were added."""
    rows = await connection.fetch(f"SELECT {_COLUMNS} FROM models ORDER BY name, created_at, version")  # noqa: S608 ours
    return [ModelRow(**row) for row in rows]


async def insert_model(connection: Connection, row: ModelRow) -> None:
    """Register a version; within `changing_registry`.

    Raises:
        ConfigurationError: The version or its very content is registered.
    """
    try:
        await connection.execute(
            f"INSERT INTO models ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",  # noqa: S608 ours
            row.name,
            row.version,
            row.digest,
            row.manifest,
            row.card,
            row.metrics,
            row.stage,
            row.share,
            row.shadow,
            row.follows,
        )
    except asyncpg.UniqueViolationError as exc:
        raise ConfigurationError(
            f"model {row.name}@{row.version} is registered already; a changed model needs a new version"
        ) from exc


async def update_model(connection: Connection, row: ModelRow) -> None:
    """Store a version's stage, trial and metrics; within `changing_registry`."""
    await connection.execute(
        "UPDATE models SET metrics = $3, stage = $4, share = $5, shadow = $6, follows = $7 "
        "WHERE name = $1 AND version = $2",
        row.name,
        row.version,
        row.metrics,
        row.stage,
        row.share,
        row.shadow,
        row.follows,
    )


async def add_comparisons(connection: Connection, counts: Mapping[Pair, int]) -> None:
    """Add to the counts of pairs of labels."""
    # In one order, or two workers that add the same pairs wait for each other.
    rows: Iterable[tuple[str | int, ...]] = [(*pair, counts[pair]) for pair in sorted(counts)]
    await connection.executemany(
        """
        INSERT INTO model_comparisons AS c (name, active, trial, label, trial_label, records)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (name, active, trial, label, trial_label) DO UPDATE SET records = c.records + EXCLUDED.records
        """,
        rows,
    )


async def list_comparisons(connection: Connection, name: str) -> list[ComparisonRow]:
    """What was counted of a model, the most frequent pairs first."""
    rows = await connection.fetch(
        "SELECT name, active, trial, label, trial_label, records FROM model_comparisons WHERE name = $1 "
        "ORDER BY active, trial, records DESC, label, trial_label",
        name,
    )
    return [ComparisonRow(**row) for row in rows]
