"""Commitments to field values: HMAC-SHA-256(salt, value). The log shows them; the salt is sealed beside the value.

Sealing and opening the pair is security.sealing.
"""

import hmac
from typing import Final

from schemas.errors import VerificationFailed
from security.hmac_sha256 import hmac_sha256

SALT_BYTES: Final = 16
COMMITMENT_BYTES: Final = 32


class CommitmentMismatch(VerificationFailed):
    """A value and its salt are not what was committed to."""

    def __init__(self) -> None:
        super().__init__("a value and its salt do not give the commitment in the log; treat the value as altered")


def commit(salt: bytes, value: bytes) -> bytes:
    """Commit to a value.

    The salt hides values that could be guessed (an amount, a name) and is fresh for each value, so that equal values
    give unequal commitments.

    Args:
        salt: 16 random bytes.
        value: The value's canonical bytes.

    Returns:
        The commitment, 32 bytes.
    """
    return hmac_sha256(salt, value)


def verify_commitment(commitment: bytes, salt: bytes, value: bytes) -> None:
    """Check that salt and value are what the commitment was made of, in time that tells nothing about either.

    A salt of another length is refused: HMAC pads its key with zeros, so that a shorter or longer salt could open the
    same commitment.

    Raises:
        CommitmentMismatch: They are not.
    """
    if len(salt) != SALT_BYTES or not hmac.compare_digest(commitment, commit(salt, value)):
        raise CommitmentMismatch
