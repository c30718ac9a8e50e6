"""Reason codes of rejections and the notes a record may carry; both are part of the public interface."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a record was rejected. Codes are stable: feeds and dashboards match on them."""

    MALFORMED = "malformed"
    UNSUPPORTED_TYPE = "unsupported_type"
    MISSING_SIGNATURE = "missing_signature"
    UNKNOWN_KEY = "unknown_key"
    KEY_REVOKED = "key_revoked"
    KEY_EXPIRED = "key_expired"
    BAD_SIGNATURE = "bad_signature"
    DIGEST_MISMATCH = "digest_mismatch"
    STALE = "stale"
    CONFLICT = "conflict"
    OVERSIZED = "oversized"
    SCHEMA_VIOLATION = "schema_violation"
    INCOMPLETE = "incomplete"
    UNREADABLE_DOCUMENT = "unreadable_document"
    INFERENCE_FAILED = "inference_failed"
    PROCESSING_FAILED = "processing_failed"
    """The platform failed on it, the sender may be innocent: report the fault, mend it, replay the dead letter."""


class Note(StrEnum):
    """A remark on a record that was kept, or on a source; never a rejection."""

    DUPLICATE = "duplicate"
    DUPLICATE_ENTRY = "duplicate_entry"
    SEQUENCE_GAP = "sequence_gap"
    SEQUENCE_CONFLICT = "sequence_conflict"
    CLOSING_CONFLICT = "closing_conflict"
