"""Which version of a model answers which record: the active one, or the candidate on trial for its share of them.

A slot is a model's name: a tagger and a table of patterns stand side by side under names of their own, and activating a
version takes the place of the one before under the same name. Nothing here opens a model; that is `active_models`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Generic, TypeVar

from streams.storage.models import ModelRow

M = TypeVar("M")

_PERCENT: Final = 100


@dataclass(frozen=True, slots=True)
class Slot(Generic[M]):
    """One model, as it is in force.

    Attributes:
        trial: A candidate beside the active version.
        share: Percent of the records that the candidate answers; with 0 it is a shadow.
        salt: Of the candidate: another one gets other records.
    """

    active: M
    trial: M | None = None
    share: int = 0
    salt: bytes = b""

    @property
    def shadow(self) -> M | None:
        """The candidate that runs beside the active version without its answers being used."""
        return None if self.share else self.trial


def choose(models: Slot[M], record_id: bytes) -> M:
    """Which of a slot's models answers a record: the same one in every process, and again when it is processed again.

    Args:
        record_id: 16 bytes.
    """
    if models.trial is None or not models.share:
        return models.active
    drawn = int.from_bytes(blake2b(record_id, digest_size=8, key=models.salt).digest(), "big") % _PERCENT
    return models.trial if drawn < models.share else models.active


def slots_in_force(rows: Iterable[ModelRow]) -> dict[str, Slot[ModelRow]]:
    """The models in force by name, in the order of their names; a model without an active version is not."""
    trials = {row.name: row for row in rows if row.on_trial}
    slots: dict[str, Slot[ModelRow]] = {}
    for row in sorted((row for row in rows if row.stage == "active"), key=lambda row: row.name):
        trial = trials.get(row.name)
        slots[row.name] = Slot(row) if trial is None else Slot(row, trial, trial.share, bytes.fromhex(trial.digest))
    return slots
