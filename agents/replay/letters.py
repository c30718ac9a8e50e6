"""A dead letter before its replay: proven by the log, its first bytes opened. What does not fit is refused."""

import base64
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from agents.commits.routing import DEFERRED, ends_deferred
from agents.intake.door import unpack_evidence
from agents.intake.sealing_stage import SALT_BYTES
from agents.log.sequencer import CommitChecker
from schemas.errors import SealstreamError, VerificationFailed
from schemas.leaf import Leaf, decode_leaf
from security.field_binding import EVIDENCE_FIELD
from security.merkle import HASH_BYTES, leaf_hash
from security.opening import FieldOpener, OpenedField
from streams.storage.replaying import ReplayableLetter
from streams.storage.sequencing import PendingCommit

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND: Final = dt.timedelta(milliseconds=1)
_CREATE_TIME: Final = 0


class NotReplayable(SealstreamError):
    """A dead letter can't be taken in again; the text says why, and what to do."""


class AlreadyReplayed(NotReplayable):
    """An earlier replay settled the dead letter."""


class TamperedLetter(NotReplayable, VerificationFailed):
    """What is stored of a dead letter is not what the log says."""


@dataclass(slots=True)
class FirstRecord:
    """The Kafka record as it came in the first time; see `agents.intake.door.RawRecord`.

    Attributes:
        timestamp_type: That of a producer's timestamp, whatever it was: the log says when the record was received.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None = field(repr=False)
    headers: Sequence[tuple[str, bytes | None]] = field(repr=False)
    timestamp_type: int = _CREATE_TIME


@dataclass(frozen=True, slots=True)
class ProvenLetter:
    """A dead letter that is what the log says.

    Attributes:
        record: The record of its id, where the first leaf has one.
        commit_id: The commit that wrote it.
        first: Where its own leaf stands, as `origin#index`.
        is_entry: Whether it is an entry of a statement that was refused alone.
        deferred: Whether it was given up in a lane.
        received_ms: When its message was received, milliseconds since 1970: the moment by which keys are judged.
    """

    name: UUID
    message_id: UUID
    record: UUID | None
    commit_id: int
    first: str
    is_entry: bool
    deferred: bool
    received_ms: int
    raw: FirstRecord


class LetterProof:
    """Proves dead letters.

    Args:
        checker: Knows the certified workers.
        opener: Opens evidence of any tier.
        evidence: The sealed bytes of messages, by message id.
    """

    def __init__(self, checker: CommitChecker, opener: FieldOpener, evidence: Mapping[UUID, bytes]) -> None:
        self._checker = checker
        self._opener = opener
        self._evidence = evidence
        self._opened: dict[UUID, OpenedField] = {}

    def prove(self, letter: ReplayableLetter) -> ProvenLetter:
        """Compare a dead letter with its leaf and open its evidence.

        Raises:
            AlreadyReplayed: An earlier replay took it in.
            TamperedLetter: Something stored of it is not what its worker signed.
            NotReplayable: Its bytes are gone, or its leaf has no place in the log yet.
            SealBroken: Its evidence does not open.
        """
        where = f"dead letter {letter.dead_letter_id}"
        if letter.settled is not None:
            raise AlreadyReplayed(f"{where} was replayed before, as {letter.settled}; it is not taken in twice")
        if letter.domain is None or letter.pass_id is None or letter.message_id not in self._evidence:
            raise NotReplayable(f"{where}: the bytes of its message were not kept or are erased")
        if letter.place is None:
            raise NotReplayable(f"{where}: its leaf has no place in the log yet; see that a sequencer runs, try again")
        leaf = self._leaf(letter, letter.commit, letter.body, letter.leaf)
        names = (str(letter.dead_letter_id), str(letter.message_id))
        if leaf.kind != "rejected" or (leaf.record or leaf.message, leaf.message) != names:
            raise TamperedLetter(f"{where}: its leaf speaks of something else; run `sealstream audit verify`")
        is_entry = not letter.deferred and letter.message_leaf != letter.leaf
        message = leaf
        if is_entry or letter.deferred:
            message = self._leaf(letter, letter.message_commit, letter.message_body, letter.message_leaf)
            if message.kind != "accepted" or message.message != leaf.message:
                raise TamperedLetter(f"{where}: the leaf that accepted its message speaks of something else")
        if letter.deferred and (message.outcome != DEFERRED or not ends_deferred(leaf)):
            raise TamperedLetter(f"{where}: its leaves do not say that it was given up in a lane")
        received = _received(letter, leaf)
        return ProvenLetter(
            letter.dead_letter_id,
            letter.message_id,
            UUID(leaf.record) if leaf.record is not None else None,
            letter.commit_id,
            letter.place,
            is_entry,
            letter.deferred,
            (received - _EPOCH) // _MILLISECOND,
            self._record(letter, self._open(letter, letter.domain, letter.pass_id), message),
        )

    def _leaf(
        self, letter: ReplayableLetter, commit: PendingCommit | None, body: bytes | None, ordinal: int | None
    ) -> Leaf:
        """A leaf of a commit, after its worker's signature over it held."""
        if commit is None or body is None or ordinal is None or ordinal < 0:
            raise TamperedLetter(f"dead letter {letter.dead_letter_id}: its leaf is gone")
        self._checker.check(letter.origin, commit)
        if commit.hashes[ordinal * HASH_BYTES : (ordinal + 1) * HASH_BYTES] != leaf_hash(body):
            raise TamperedLetter(f"dead letter {letter.dead_letter_id}: its leaf is not the one that was committed")
        return decode_leaf(body)

    def _open(self, letter: ReplayableLetter, domain: str, pass_id: int) -> OpenedField:
        """The bytes of its message, opened once for all entries of a statement."""
        found = self._opened.get(letter.message_id)
        if found is None:
            sealed = self._evidence[letter.message_id]
            opened = self._opener.open_record(letter.tenant, domain, letter.message_id.bytes, pass_id, sealed)
            if opened.keys() != {EVIDENCE_FIELD}:
                raise TamperedLetter(f"dead letter {letter.dead_letter_id}: its evidence has another form")
            found = self._opened[letter.message_id] = opened[EVIDENCE_FIELD]
        return found

    def _record(self, letter: ReplayableLetter, evidence: OpenedField, message: Leaf) -> FirstRecord:
        said = (message.fields or {}).get(EVIDENCE_FIELD)
        if evidence.value is None or evidence.commitment is None:
            raise NotReplayable(f"dead letter {letter.dead_letter_id}: its evidence is {evidence.state}")
        if said != base64.b64encode(evidence.commitment).decode():
            raise TamperedLetter(f"dead letter {letter.dead_letter_id}: its evidence is not what the log commits to")
        first = unpack_evidence(evidence.value[SALT_BYTES:])
        stamped = letter.stamped_at or _EPOCH
        return FirstRecord(
            letter.topic,
            letter.part,
            letter.kafka_offset,
            (stamped - _EPOCH) // _MILLISECOND,
            first.key,
            first.value,
            first.headers,
        )


def _received(letter: ReplayableLetter, leaf: Leaf) -> dt.datetime:
    """When the message was received, by the log's word alone: a row that says otherwise was changed.

    A leaf from before rejections had `received` is judged by its own time, which is later: never too kind.
    """
    if leaf.received is None:
        return dt.datetime.fromisoformat(leaf.time)
    received = dt.datetime.fromisoformat(leaf.received)
    if letter.received_at != received:
        raise TamperedLetter(
            f"dead letter {letter.dead_letter_id}: received_at of its message is not what the log says"
        )
    return received
