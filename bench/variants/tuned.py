"""How large batches are and how long they wait: a variant's best, as `bench.tuning` found it, or what that tries."""

from pathlib import Path
from typing import Final, Protocol

import msgspec

_FILE: Final = "tuned.json"


class Tuned(msgspec.Struct, frozen=True):
    """Settings of a variant.

    Attributes:
        batch: Records of a batch, and so of a commit, at most.
        within_seconds: How long a batch may wait to be filled.
    """

    batch: int
    within_seconds: float


def instruct(directory: Path, tuned: Tuned) -> None:
    """Have the workers that will be started in this directory run so."""
    (directory / _FILE).write_bytes(msgspec.json.encode(tuned))


class HasBest(Protocol):
    """A variant."""

    @property
    def best(self) -> Tuned | None:
        """Its best."""


def tuned_for(directory: Path, variant: HasBest) -> Tuned:
    """What this run was told to try, or the variant's best."""
    path = directory / _FILE
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=Tuned)
    assert variant.best is not None, "only variants with batches ask"
    return variant.best
