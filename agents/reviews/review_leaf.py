"""How a review stands in the log: what it names, and the name that a later decision links to."""

import hashlib
from typing import Final
from uuid import UUID

from schemas.leaf import Leaf

REVIEW_KIND: Final = "review"
REVIEW_OUTCOME: Final = "review"
"""The outcome of a result that its model left to a person."""

_NAME_BYTES: Final = 16


def review_name(origin: str, commit_id: int, ordinal: int) -> UUID:
    """The name of a review, by where its leaf was committed: known at once, and the same after a recovery."""
    place = f"review\0{origin}\0{commit_id}\0{ordinal}"
    return UUID(bytes=hashlib.sha256(place.encode()).digest()[:_NAME_BYTES])


def reviewed_by(leaf: Leaf) -> tuple[UUID, int, UUID] | None:
    """Of a review leaf: the record, which decision about it, and what it follows; None when it does not say that."""
    try:
        record, linked = UUID(leaf.record or ""), UUID(leaf.linked or "")
    except ValueError:
        return None
    whole = leaf.count is not None and leaf.count > 0 and leaf.label is not None and leaf.purpose is not None
    return (record, leaf.count, linked) if whole and leaf.count is not None and leaf.actor and leaf.basis else None
