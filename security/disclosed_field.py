"""A field that a receipt discloses: that its value and salt open the commitment in the leaf."""

from typing import Final

from schemas.errors import VerificationFailed
from schemas.leaf import Leaf
from security.commitment import CommitmentMismatch, Commitments, verify_commitment
from security.note import decode_base64

LABEL_FIELD: Final = "label"
EVIDENCE_FIELD: Final = "evidence"


class FieldNotInLeaf(VerificationFailed):
    """A receipt discloses a field that its leaf has no commitment to."""


class FieldMismatch(VerificationFailed):
    """A field's value and salt are not what the leaf commits to."""


def commitment_of(leaf: Leaf, name: str) -> bytes:
    """The commitment in a leaf to a field that a receipt may disclose.

    Raises:
        FieldNotInLeaf: There is none.
    """
    text = leaf.label if name == LABEL_FIELD else (leaf.fields or {}).get(name)
    commitment = decode_base64(text) if text is not None and name != EVIDENCE_FIELD else None
    if commitment is None:
        raise FieldNotInLeaf(f"the leaf has no commitment to a field {name!r}, but the receipt discloses one")
    return commitment


def open_commitment(leaf: Leaf, commitment: bytes, salt: bytes, value: bytes, what: str) -> None:
    """Check that salt and value open a commitment of a leaf, which says how its commitments are made.

    Raises:
        FieldMismatch: They don't; the text names `what`.
        UnknownCommitments: The leaf's are of a kind that this program does not know.
    """
    try:
        verify_commitment(commitment, salt, value, Commitments.of_leaf(leaf.commitments))
    except CommitmentMismatch as exc:
        raise FieldMismatch(f"{what} of the receipt is not what the leaf commits to: treat it as altered") from exc
