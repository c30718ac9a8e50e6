"""What an audit found: where, and what is wrong there. Never a value of a record."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MAX_FINDINGS: Final = 1_000
"""In each log, so that one that is full of them hides no other's."""


class Depth(StrEnum):
    """How deep an audit goes; each includes the ones before."""

    CHECKPOINTS = "checkpoints"
    TREE = "tree"
    ROWS = "rows"


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
class RecoveredRange:
    """Leaves that were brought back from the audit topic, from one index to another.

    Attributes:
        again: How many of them a later leaf says again, because their records were processed again.
    """

    start: int
    end: int
    again: int = 0


@dataclass(slots=True)
class LogReport:
    """What was checked in one log, or in the tree of one of its later shards.

    Attributes:
        covered: Size of the largest checkpoint that the leaves give.
        cosignatures: Lines by known witnesses that verify; `cosignatures_unknown` are by witnesses that are not known.
        timestamps: Timestamps that verify; `timestamps_unchecked` are left: nobody is named to tell the time.
        waiting: Signed commits that had no place yet.
        deferred_waiting: Records that were accepted for later and wait in a lane.
        recoveries: What was brought back from the audit topic.
        key_changes: Leaves about the tenant's keys and policies.
        model_changes: Leaves about models.
        fields_shredded: Fields whose provider's key is destroyed, as a leaf says.
        records_erased: Records whose fields are gone, as a leaf says.
        evidence_erased: Messages whose own bytes are, likewise.
        shard: Its number; what is no matter of one tree is counted with the first.
        key: Which of the log's keys signs it.
        lost: How many of its last leaves are lost, as the next shard declares.
        is_outside: Whether its leaves are held outside the database; what is known of them then are their hashes.
        is_compared: Of the first: whether the leaves of all shards were compared with rows.
        starts: Of the first: how many leaves of the log stand before each shard, by its origin.
        affected: Messages that were accepted before a revocation of their key was made that reaches back before them,
            by key.
    """

    origin: str
    tenant: str
    log_id: int = 0
    size: int = 0
    root: bytes = b""
    commits: int = 0
    checkpoints: int = 0
    covered: int = 0
    cosignatures: int = 0
    cosignatures_unknown: int = 0
    timestamps: int = 0
    timestamps_unchecked: int = 0
    fields_opened: int = 0
    fields_sealed: int = 0
    signatures: int = 0
    waiting: int = 0
    deferred_waiting: int = 0
    recoveries: list[RecoveredRange] = field(default_factory=list)
    key_changes: int = 0
    model_changes: int = 0
    affected: Counter[str] = field(default_factory=Counter)
    fields_shredded: int = 0
    records_erased: int = 0
    evidence_erased: int = 0
    shard: int = 0
    lost: int = 0
    key: int = 0
    is_outside: bool = False
    is_compared: bool = False
    starts: dict[str, int] = field(default_factory=dict)

    def at(self, index: int) -> str:
        """A place among the leaves of all shards, as findings name it."""
        origin, start = max(self.starts.items(), key=lambda each: each[1] if each[1] <= index else -1, default=("", 0))
        return f"log {origin or self.origin}, index {index - start}"

    def place(self, text: str | None) -> int | None:
        """Where a leaf of this log stands that is named as `origin#index`, counted through all its shards."""
        origin, mark, index = (text or "").rpartition("#")
        start = self.starts.get(origin, 0 if origin == self.origin else None)
        return start + int(index) if mark and start is not None and index.isascii() and index.isdecimal() else None


@dataclass(slots=True)
class VerifyReport:
    """The answer of an audit: ok when nothing was found.

    Attributes:
        depth: How far it went everywhere; at `tree`, logs that are `is_compared` went further.
        watermarks: Steps compared.
        identities: Names of messages compared.
        terms: Blind terms recomputed.
        disclosures: Looks whose ids were opened.
        replays: Attempts to take dead letters in again, compared with the leaves of those.
        deferred: Records that were accepted for later, each followed to its end.
        reviews: Decisions of people, compared with what they supersede.
        catalogue_unregistered: Rows of the catalogue that nobody signed for: neither the program's defaults nor of an
            entry in force. Whoever writes SQL can write such rows.
        left_out: Findings beyond the bound.
    """

    depth: Depth = Depth.ROWS
    logs: list[LogReport] = field(default_factory=list)
    watermarks: int = 0
    identities: int = 0
    terms: int = 0
    disclosures: int = 0
    replays: int = 0
    deferred: int = 0
    reviews: int = 0
    catalogue_unregistered: int = 0
    findings: list[Finding] = field(default_factory=list)
    left_out: int = 0
    _room: int = MAX_FINDINGS

    @property
    def ok(self) -> bool:
        """Whether everything fits."""
        return not self.findings

    def open_log(self, log: LogReport) -> None:
        """Go on with the next log."""
        self.logs.append(log)
        self._room = MAX_FINDINGS

    def close_logs(self) -> None:
        """Go on with what is common to all logs."""
        self._room = MAX_FINDINGS

    @property
    def held_outside(self) -> list[str]:
        """The shards whose leaves nobody gave for this audit, by their origins."""
        return [log.origin for log in self.logs if log.is_outside]

    def add(self, where: str, what: str) -> None:
        """Note a finding; beyond a bound they are only counted."""
        if self._room > 0:
            self._room -= 1
            self.findings.append(Finding(where, what))
        else:
            self.left_out += 1
