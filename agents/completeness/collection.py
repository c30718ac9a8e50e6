"""Finds a source's messages of a period: by the leaves of a log to the evidence, opened and compared with its leaf.

The log is taken as it is stored; that it is what was signed is for `audit verify`.
"""

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final
from uuid import UUID

from agents.commits.routing import ends_deferred
from agents.completeness.found import Found, FoundClosing, FoundMessage, Period, RefusedEntry
from agents.intake.door import unpack_evidence
from agents.intake.sealing_stage import SALT_BYTES
from schemas.closing import CLOSING, decode_closing, signed_second
from schemas.control_totals import transactions_of
from schemas.errors import Rejection, VerificationFailed
from schemas.events import Event, canonical_text, decode_event
from schemas.identity import message_record_id
from schemas.leaf import Leaf, decode_leaf
from schemas.reasons import Reason
from schemas.sequence import SEQUENCE, parse_sequence
from security.commitment import Commitments
from security.signed_payload import SignedPayload
from security.verifiability import claimed_payload
from streams.storage.completeness import BundleRow, MessageRow

TAKEN_IN: Final = frozenset({"accepted", "closing", "result"})
MESSAGES_AT_ONCE: Final = 256
"""A message may have megabytes."""

Place = tuple[int, int]
"""Commit and ordinal of a leaf."""

Open = Callable[[MessageRow], bytes | None]
"""The salt and the bytes of a message's evidence; None where they are not to be had."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A message whose evidence is open."""

    event: Event
    payload: SignedPayload | None

    @property
    def digests(self) -> bytes | None:
        return None if self.payload is None else self.payload.core + (self.payload.ext or b"")


class Collection:
    """Gathers what one log says."""

    def __init__(self, period: Period) -> None:
        self.period = period
        self.found = Found()

    def places(self, bundles: Sequence[BundleRow]) -> Iterator[dict[Place, Leaf]]:
        """The leaves of messages to look at, some at a time; what other leaves say is taken in here."""
        leaves = (
            ((bundle.commit_id, ordinal), leaf)
            for bundle in bundles
            for ordinal, body in enumerate(bundle.leaves())
            if self._concerns(leaf := _checked(decode_leaf(body)))
        )
        while chunk := dict(islice(leaves, MESSAGES_AT_ONCE)):
            yield chunk

    def _concerns(self, leaf: Leaf) -> bool:
        """Whether a leaf stands for a whole message that may be of the source."""
        if leaf.kind == "replay" and leaf.reason is None and leaf.linked is not None:
            self.found.taken_in.add(UUID(leaf.linked))
        if leaf.kind == "rejected" and leaf.source is None:
            return leaf.span is None
        if leaf.source != self.period.source or leaf.message is None or ends_deferred(leaf):
            return False
        if leaf.kind == "duplicate":
            self.found.duplicates[UUID(leaf.message)] += 1
        elif leaf.kind == "rejected" and leaf.fields is None and leaf.record is not None and leaf.reason is not None:
            entry = RefusedEntry(UUID(leaf.record), UUID(leaf.message), Reason(leaf.reason))
            self.found.entries.append(entry)
        else:
            return leaf.kind == "rejected" or (leaf.kind in TAKEN_IN and leaf.record == leaf.message)
        return False

    def look(self, leaves: dict[Place, Leaf], rows: Sequence[MessageRow], open_evidence: Open) -> None:
        """Take in messages.

        Args:
            leaves: A part of `places`.
            rows: The messages of those leaves; one that is gone counts as not to be had.
        """
        by_place = {(row.commit_id, row.leaf): row for row in rows}
        for place, leaf in leaves.items():
            row = by_place.get(place)
            packed = open_evidence(row) if row is not None else None
            read = self._read(leaf, packed) if packed is not None else None
            if read is not None:
                self._enter(leaf, read)
            elif leaf.source is not None and leaf.message is not None:
                self.found.unread.append(UUID(leaf.message))
            else:
                self.found.sealed += 1

    def _read(self, leaf: Leaf, packed: bytes) -> _Read | None:
        """What the evidence says; None where it is not what its leaf commits to, or no event at all."""
        read = _unpacked(packed)
        if read is None or leaf.source is None:
            return read
        digest = Commitments.of_leaf(leaf.commitments).commit(packed[:SALT_BYTES], read.digests or b"")
        return read if leaf.digest == base64.b64encode(digest).decode() else None

    def _enter(self, leaf: Leaf, read: _Read) -> None:
        event, attested = read.event, leaf.source is not None
        if event.source != self.period.source or leaf.message is None:
            return
        number = _number(read) if attested and event.type != CLOSING else None
        if number is not None:
            self.found.all_numbers.add(number)
        if event.type == CLOSING:
            self._closing(leaf, event)
            return
        if event.time is None:
            self.found.untimed += attested
            return
        if not self.period.start <= signed_second(event.time) < self.period.end:
            return
        self.found.shown.append(UUID(leaf.message))
        message = FoundMessage(
            UUID(leaf.message),
            message_record_id(event.source, event.id),
            event.id,
            read.digests,
            Reason(leaf.reason) if leaf.reason is not None else None,
            attested,
        )
        if not attested:
            self.found.unattested.append(message)
        elif message.reason is Reason.CONFLICT:
            self.found.contradictions.append(message)
        elif self.found.arrive(message):
            self.found.totals.add(transactions_of(event.type, event.data or b""))
            if number is not None:
                self.found.numbers.append(number)

    def _closing(self, leaf: Leaf, event: Event) -> None:
        if leaf.kind != "closing" or leaf.message is None:
            return
        closing = decode_closing(event.data or b"")
        if (closing.start, closing.end) == (self.period.start, self.period.end):
            self.found.closings.append(FoundClosing(UUID(leaf.message), event.id, closing))
            self.found.shown.append(UUID(leaf.message))


def _checked(leaf: Leaf) -> Leaf:
    """A leaf whose names are names.

    Raises:
        VerificationFailed: They are not.
    """
    try:
        for name in (leaf.message, leaf.record, leaf.linked):
            if name is not None:
                UUID(name)
        if leaf.reason is not None:
            Reason(leaf.reason)
    except ValueError as exc:
        raise VerificationFailed("a log entry names no record or no reason; run `sealstream audit verify`") from exc
    return leaf


def closed_period(packed: bytes) -> Period | None:
    """The period that a closing is about, by its evidence."""
    read = _unpacked(packed)
    if read is None:
        return None
    closing = decode_closing(read.event.data or b"")
    return Period(read.event.source, closing.start, closing.end)


def _unpacked(packed: bytes) -> _Read | None:
    try:
        evidence = unpack_evidence(packed[SALT_BYTES:])
        event = decode_event(evidence.headers, evidence.value)
    except (VerificationFailed, Rejection):
        return None
    try:
        return _Read(event, claimed_payload(event))
    except Rejection:
        return _Read(event, None)


def _number(read: _Read) -> int | None:
    """Its number in the source's sequence, where it has a signed one."""
    value = read.event.extensions.get(SEQUENCE)
    if value is None or read.payload is None or SEQUENCE not in read.payload.signedextattrs:
        return None
    try:
        return parse_sequence(canonical_text(value))
    except Rejection:
        return None
