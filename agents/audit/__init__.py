"""`audit verify`: recompute a log and everything it commits to from the stored rows, and name what doesn't fit."""

from agents.audit.context import CHECKPOINT_PATIENCE, AuditContext, Observer
from agents.audit.depths import verify_checkpoints, verify_trees
from agents.audit.findings import Depth, Finding, LogReport, VerifyReport
from agents.audit.verify import await_checkpoints, verify_audit

__all__ = [
    "CHECKPOINT_PATIENCE",
    "AuditContext",
    "Depth",
    "Finding",
    "LogReport",
    "Observer",
    "VerifyReport",
    "await_checkpoints",
    "verify_audit",
    "verify_checkpoints",
    "verify_trees",
]
