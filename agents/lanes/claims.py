"""Opening claim checks: from a record's sealed bytes to its text, or why there is none."""

from dataclasses import dataclass, field
from typing import Final

from agents.intake.door import unpack_evidence
from agents.intake.sealing_stage import SALT_BYTES
from schemas.errors import Rejection, SealstreamError
from schemas.events import decode_event
from schemas.reasons import Reason
from schemas.text_document import decode_text
from security.field_binding import EVIDENCE_FIELD
from security.key_provider import KeyUnavailable
from security.opening import FieldOpener
from security.tier_keys import TierKeysLapsed
from streams.storage.deferring import WaitingRecord

LONGEST_TRACEPARENT: Final = 64
"""Characters; what W3C Trace Context has today has 55."""


@dataclass(frozen=True, slots=True)
class OpenedText:
    """What a waiting record says.

    Attributes:
        size: Bytes of the message.
        traceparent: Of its producer, unsigned; empty where it gave none that could be one.
    """

    text: str = field(repr=False)
    source: str
    size: int
    traceparent: str = field(default="", repr=False)


class Erased(Exception):
    """The bytes were erased while the record waited."""


def open_text(opener: FieldOpener, record: WaitingRecord) -> OpenedText:
    """Open and decode.

    Raises:
        Erased: There is nothing left to open.
        Rejection: `inference_failed`, because it can't be opened; or whatever intake would say of the document today.
        TierKeysLapsed: Wait until they are renewed.
        KeyUnavailable: Its tier key is not among those that are known.
    """
    if record.evidence is None:
        raise Erased
    try:
        fields = opener.open_record(
            record.tenant, record.domain, record.record_id.bytes, record.pass_id, record.evidence
        )
        found = fields.get(EVIDENCE_FIELD)
        if found is None or found.value is None:
            state = found.state if found is not None else "gone"
            raise Rejection(Reason.INFERENCE_FAILED, f"the bytes of the document are {state}")
        evidence = unpack_evidence(found.value[SALT_BYTES:])
        event = decode_event(evidence.headers, evidence.value)
    except (TierKeysLapsed, KeyUnavailable):
        raise
    except SealstreamError as exc:
        if isinstance(exc, Rejection):
            raise
        raise Rejection(
            Reason.INFERENCE_FAILED, f"the bytes of the document do not open ({type(exc).__name__})"
        ) from exc
    text = decode_text(event.data or b"", event.datacontenttype or "")
    trace = event.extensions.get("traceparent")
    if not isinstance(trace, str) or len(trace) > LONGEST_TRACEPARENT:
        trace = ""
    return OpenedText(text, event.source, len(evidence.value or b""), trace)
