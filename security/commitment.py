"""Commitments to field values: HMAC(salt, value). The log shows them; the salt is sealed beside the value.

With SHA-256, or with SM3 for tenants that asked for Chinese algorithms: a leaf says which in `commitments`, the sealed
record in the version of its form. Sealing the pair is security.sealing, opening it security.opening.
"""

import hmac
from collections.abc import Callable
from enum import StrEnum
from typing import Final, Self

from schemas.errors import VerificationFailed
from security.hmac_sha256 import hmac_sha256
from security.hmac_sm3 import hmac_sm3

SALT_BYTES: Final = 16
COMMITMENT_BYTES: Final = 32


class CommitmentMismatch(VerificationFailed):
    """A value and its salt are not what was committed to."""

    def __init__(self) -> None:
        super().__init__("a value and its salt do not give the commitment in the log; treat the value as altered")


class UnknownCommitments(VerificationFailed):
    """A leaf's commitments are of a kind that this program does not know."""

    def __init__(self) -> None:
        super().__init__("a leaf names commitments of an unknown kind; use a newer version of this program")


class Commitments(StrEnum):
    """How values are committed to."""

    SHA256 = "hmac-sha256"
    SM3 = "hmac-sm3"

    @classmethod
    def of_leaf(cls, said: str | None) -> Self:
        """What a leaf's `commitments` means; without one they are HMAC-SHA-256.

        Raises:
            UnknownCommitments: This program knows no such commitments.
        """
        try:
            return cls(cls.SHA256 if said is None else said)
        except ValueError:
            raise UnknownCommitments from None

    @property
    def in_leaf(self) -> str | None:
        """What a leaf says of them: nothing, where they are HMAC-SHA-256."""
        return None if self is Commitments.SHA256 else self.value

    @property
    def commit(self) -> Callable[[bytes, bytes], bytes]:
        """The function from salt and value's canonical bytes to the commitment, 32 bytes.

        The salt, 16 random bytes, hides values that could be guessed (an amount, a name) and is fresh for each value,
        so that equal values give unequal commitments.
        """
        return hmac_sha256 if self is Commitments.SHA256 else hmac_sm3


def verify_commitment(commitment: bytes, salt: bytes, value: bytes, kind: Commitments = Commitments.SHA256) -> None:
    """Check that salt and value are what the commitment was made of, in time that tells nothing about either.

    A salt of another length is refused: HMAC pads its key with zeros, so that a shorter or longer salt could open the
    same commitment.

    Args:
        kind: What the leaf says, by `Commitments.of_leaf`; never tried out.

    Raises:
        CommitmentMismatch: They are not.
    """
    if len(salt) != SALT_BYTES or not hmac.compare_digest(commitment, kind.commit(salt, value)):
        raise CommitmentMismatch
