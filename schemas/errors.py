"""The root of every error Sealstream raises on purpose, and the one that sends a record to the dead letters.

SealstreamError
├── Rejection              this record is refused; carries a reason code
├── ConfigurationError     a setting, binary, port or file is wrong; the text says what to do
├── StorageError           the database is away or holds something we must not build on
├── Unavailable            something outside is away for now: the same again may work, so wait and retry
└── VerificationFailed     something stored or received does not prove what it claims
"""

from schemas.reasons import Reason


class SealstreamError(Exception):
    """Base of all deliberate errors. Texts name what is wrong, where, and the next step; never a field value."""


class Rejection(SealstreamError):
    """One record is refused.

    Attributes:
        reason: The public reason code.
        detail: Where and what, in our own words: element and attribute names, offsets, limits. Never a value taken
            from the record, because details are stored unsealed and logged.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class ConfigurationError(SealstreamError):
    """A setting, binary, port, directory or key file is missing or wrong; the text says what to do."""


class StorageError(SealstreamError):
    """The database cannot be reached, is not migrated, or contradicts what was published."""


class Unavailable(SealstreamError):
    """A server is away or did not answer in time, or somebody else has the job now: wait, then begin it anew.

    What ends a role is one or the other: this passes by itself, every other error of ours is final.
    """


class VerificationFailed(SealstreamError):
    """A signature, digest, proof or sealed field does not verify."""
