"""What can be wrong with a sample's message, and how the platform answers. Doing it is sealstream.samples.spoiling."""

from collections.abc import Mapping
from enum import StrEnum

from schemas.reasons import Reason


class Fault(StrEnum):
    """What is wrong with a message on purpose; only samples have any.

    The first group is done to the envelope by `sealstream.samples.spoiling`; the second lies in the item itself,
    which is signed like any other.
    """

    TAMPERED_PAYLOAD = "tampered_payload"
    TAMPERED_ATTRIBUTE = "tampered_attribute"
    TAMPERED_SIGNATURE = "tampered_signature"
    UNSIGNED = "unsigned"
    UNKNOWN_KEY = "unknown_key"
    REPEATED_HEADER = "repeated_header"
    MISSING_ATTRIBUTE = "missing_attribute"
    NUL_IN_ID = "nul_in_id"

    REPEATED = "repeated"
    CONTRADICTING = "contradicting"
    UNSUPPORTED_TYPE = "unsupported_type"
    MALFORMED_PAYLOAD = "malformed_payload"
    SCHEMA_VIOLATION = "schema_violation"

    @property
    def reason(self) -> Reason | None:
        """Why the platform rejects such a message; None for a repeat, which is only noted as a duplicate."""
        return _REASONS.get(self)


_REASONS: Mapping[Fault, Reason] = {
    Fault.TAMPERED_PAYLOAD: Reason.DIGEST_MISMATCH,
    Fault.TAMPERED_ATTRIBUTE: Reason.DIGEST_MISMATCH,
    Fault.TAMPERED_SIGNATURE: Reason.BAD_SIGNATURE,
    Fault.UNSIGNED: Reason.MISSING_SIGNATURE,
    Fault.UNKNOWN_KEY: Reason.UNKNOWN_KEY,
    Fault.REPEATED_HEADER: Reason.MALFORMED,
    Fault.MISSING_ATTRIBUTE: Reason.MALFORMED,
    Fault.NUL_IN_ID: Reason.MALFORMED,
    Fault.CONTRADICTING: Reason.CONFLICT,
    Fault.UNSUPPORTED_TYPE: Reason.UNSUPPORTED_TYPE,
    Fault.MALFORMED_PAYLOAD: Reason.MALFORMED,
    Fault.SCHEMA_VIOLATION: Reason.SCHEMA_VIOLATION,
}
