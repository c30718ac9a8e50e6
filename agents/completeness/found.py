"""What was found of a source's messages in one period. Finding it is agents.completeness.collection."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from schemas.closing import Closing
from schemas.control_totals import ControlTotals
from schemas.reasons import Reason


@dataclass(frozen=True, slots=True)
class Period:
    """A source and the seconds from `start` to before `end`."""

    source: str
    start: dt.datetime
    end: dt.datetime


@dataclass(frozen=True, slots=True)
class FoundMessage:
    """A message that says it is of the source and the period.

    Attributes:
        message: Its id in the log; that of its place where it could not have its own.
        record_id: Its own name, by source and id.
        event_id: CloudEvents id.
        digests: Verifiability `core`, then `ext`; None where the content is not what was signed.
        reason: Why it is refused; None when it is accepted.
        attested: Whether a key vouches for it: of the others anybody may be the author.
    """

    message: UUID
    record_id: bytes
    event_id: str
    digests: bytes | None
    reason: Reason | None
    attested: bool


@dataclass(frozen=True, slots=True)
class FoundClosing:
    """A closing of the period."""

    message: UUID
    event_id: str
    closing: Closing


@dataclass(frozen=True, slots=True)
class RefusedEntry:
    """An entry of a statement that was accepted without it."""

    record: UUID
    message: UUID
    reason: Reason


@dataclass(slots=True)
class Found:
    """Everything that was found.

    Attributes:
        arrived: By record id: what keys vouch for, accepted or refused, each once.
        contradictions: Refused because an earlier message has their id.
        unattested: Refused before a key could vouch for them.
        entries: Refused entries of statements of the source, of whatever period.
        duplicates: Message to how often it came again.
        totals: Over `arrived`.
        numbers: Of the period's messages in the source's sequence, where they have any.
        all_numbers: Of all messages of the source that were looked at.
        taken_in: Dead letters that a replay took in.
        untimed: Messages of the source without `time`.
        unread: Messages of the source that could not be opened: erased, sealed, altered.
        sealed: Messages that no key vouches for, of whatever source, that could not be opened.
        shown: Ids of all that is told about, for the leaf that says that somebody looked.
    """

    arrived: dict[bytes, FoundMessage] = field(default_factory=dict)
    contradictions: list[FoundMessage] = field(default_factory=list)
    unattested: list[FoundMessage] = field(default_factory=list)
    entries: list[RefusedEntry] = field(default_factory=list)
    closings: list[FoundClosing] = field(default_factory=list)
    duplicates: Counter[UUID] = field(default_factory=Counter)
    totals: ControlTotals = field(default_factory=ControlTotals)
    numbers: list[int] = field(default_factory=list)
    all_numbers: set[int] = field(default_factory=set)
    taken_in: set[UUID] = field(default_factory=set)
    untimed: int = 0
    unread: list[UUID] = field(default_factory=list)
    sealed: int = 0
    shown: list[UUID] = field(default_factory=list)

    def arrive(self, message: FoundMessage) -> bool:
        """Enter a message that a key vouches for; returns whether it is new and not only seen again."""
        before = self.arrived.get(message.record_id)
        if before is None or (before.reason is not None and message.reason is None):
            self.arrived[message.record_id] = message
        return before is None
