"""What an audit found: where, and what is wrong there. Never a value of a record."""

from dataclasses import dataclass, field
from typing import Final

MAX_FINDINGS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that doesn't fit.

    Attributes:
        where: Log, and the commit, index, record, field, checkpoint, tile or watermark within it.
        what: What is wrong with it.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(slots=True)
class LogReport:
    """What was checked in one log."""

    origin: str
    tenant: str
    size: int = 0
    root: bytes = b""
    commits: int = 0
    checkpoints: int = 0
    fields_opened: int = 0
    fields_sealed: int = 0
    signatures: int = 0
    waiting: int = 0


@dataclass(slots=True)
class VerifyReport:
    """The answer of an audit: ok when nothing was found."""

    logs: list[LogReport] = field(default_factory=list)
    watermarks: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything fits."""
        return not self.findings

    def add(self, where: str, what: str) -> None:
        """Note a finding; beyond a bound they are only counted by their absence of room."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(where, what))
