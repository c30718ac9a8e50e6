"""What codes are called on pages: states, roles, duties, outcomes. Their Chinese is in `chinese.common`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "open": "Open",
        "masked": "Masked",
        "sealed": "Sealed",
        "erased": "Erased",
        "shredded": "Shredded",
        "pending": "Pending",
        "granted": "Granted",
        "refused": "Refused",
        "revoked": "Revoked",
        "expired": "Expired",
        "operator": "Operator",
        "administrator": "Administrator",
        "auditor": "Auditor",
        "reader": "Reader",
        "unit_head": "Head of the requester's unit",
        "data_provider": "Data provider",
        "exchange_authority": "Exchange authority",
        "approve": "Approve",
        "refuse": "Refuse",
        "revoke": "Revoke",
        "delegate": "Delegate",
        "request": "Request",
        "accepted": "Accepted",
        "review": "Left to a person",
        "rejected": "Rejected",
        "deferred": "Deferred",
        "stored": "Stored as sent",
        "classified": "Classified",
        "extracted": "Values found",
        "closed": "Closed",
        "corrected": "Corrected",
        "duplicate": "Repeated",
        "duplicate_entry": "Repeated entry",
        "sequence_gap": "Gap before it",
        "sequence_conflict": "Contradicts another of its number",
        "result": "Result",
        "not_found": "Not found",
        "forbidden": "Not permitted",
        "rate_limited": "Too many requests",
        "unavailable": "Away for the moment",
        "internal": "Failed on our side",
        "foreign_form": "Form refused",
    }
)
