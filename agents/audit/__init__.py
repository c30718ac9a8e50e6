"""`audit verify`: recompute a log and everything it commits to from the stored rows, and name what doesn't fit."""

from agents.audit.findings import Finding, LogReport, VerifyReport
from agents.audit.verify import AuditContext, verify_audit

__all__ = ["AuditContext", "Finding", "LogReport", "VerifyReport", "verify_audit"]
