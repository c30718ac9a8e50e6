"""What becomes of a model's versions when one is activated, rolled back or retired. Written by agents.models.curator.

Of each name at most one version is active and at most one candidate on trial.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from agents.inference.transaction_kind import TRANSACTION_KIND
from schemas.errors import ConfigurationError
from streams.storage.models import ModelRow

ALL_RECORDS: Final = 100


@dataclass(frozen=True, slots=True)
class Changed:
    """A version as it stands from then on, and the word for how it came to."""

    row: ModelRow
    change: str


def version_of(rows: Sequence[ModelRow], name: str, version: str) -> ModelRow:
    """A registered version.

    Raises:
        ConfigurationError: There is none.
    """
    for row in rows:
        if (row.name, row.version) == (name, version):
            return row
    raise ConfigurationError(f"no model {name}@{version} is registered; see `sealstream models list`")


def active_version(rows: Sequence[ModelRow], name: str) -> ModelRow | None:
    """The active version of a model."""
    return next((row for row in rows if row.name == name and row.stage == "active"), None)


def trial_version(rows: Sequence[ModelRow], name: str) -> ModelRow | None:
    """The version of a model that is on trial."""
    return next((row for row in rows if row.name == name and row.on_trial), None)


def activated(
    rows: Sequence[ModelRow], name: str, version: str, *, share: int = ALL_RECORDS, shadow: bool = False
) -> list[Changed]:
    """Make a version the active one, or put it on trial; a trial of another version ends.

    Args:
        share: Percent of the records that it answers; with less than all of them it is on trial.
        shadow: It runs beside the active version, whose answers are used.

    Raises:
        ConfigurationError: There is no such version, nothing would change, or nothing is active beside which to try it.
    """
    row, active, trial = version_of(rows, name, version), active_version(rows, name), trial_version(rows, name)
    if row.stage == "active":
        raise ConfigurationError(f"model {name}@{version} is active already")
    ended = [Changed(_at_rest(trial), "end")] if trial is not None and trial.version != version else []
    if shadow or share < ALL_RECORDS:
        if active is None:
            raise ConfigurationError(f"no version of {name!r} is active beside which to try one; activate one first")
        tried = replace(row, stage="candidate", share=0 if shadow else share, shadow=shadow)
        if tried == row:
            raise ConfigurationError(f"model {name}@{version} is on trial already, just so")
        return [*ended, Changed(tried, "activate")]
    made = replace(_at_rest(row), stage="active", follows=active.version if active is not None else None)
    # The former one first: the database lets no two be active at any moment.
    former = [Changed(replace(active, stage="retired"), "retire")] if active is not None else []
    return [*ended, *former, Changed(made, "activate")]


def rolled_back(rows: Sequence[ModelRow], name: str) -> list[Changed]:
    """Undo the last activation: end a trial, or else make the version active that was active before.

    Raises:
        ConfigurationError: There is nothing to go back to.
    """
    trial = trial_version(rows, name)
    if trial is not None:
        return [Changed(_at_rest(trial), "end")]
    active = active_version(rows, name)
    if active is None or active.follows is None:
        raise ConfigurationError(f"there is no version of {name!r} to go back to; see `sealstream models list`")
    before = version_of(rows, name, active.follows)
    return [
        Changed(replace(active, stage="retired"), "retire"),
        Changed(replace(_at_rest(before), stage="active"), "rollback"),
    ]


def retired(rows: Sequence[ModelRow], name: str, version: str) -> list[Changed]:
    """Take a version out of use.

    Raises:
        ConfigurationError: There is no such version, it is retired, or something else has to take its place first.
    """
    row = version_of(rows, name, version)
    if row.stage == "retired":
        raise ConfigurationError(f"model {name}@{version} is retired already")
    if row.stage == "active" and name == TRANSACTION_KIND:
        raise ConfigurationError("transactions need a model; activate another version, which retires this one")
    if row.stage == "active" and (trial := trial_version(rows, name)) is not None:
        raise ConfigurationError(f"{name}@{trial.version} is on trial beside it; retire or activate that one first")
    return [Changed(replace(_at_rest(row), stage="retired"), "retire")]


def _at_rest(row: ModelRow) -> ModelRow:
    return replace(row, share=0, shadow=False)
