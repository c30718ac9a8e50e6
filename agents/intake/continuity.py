"""Whether a broker's log is the one that our position belongs to. Pure; asking both sides is agents.intake.progress.

Only what is proven counts. Another topic id, an end before the position, another record where the last one stood: each
proves that this is not the log we read. A start beyond the position proves that records are gone unread. That the last
record is absent proves nothing: compaction and retention take records away, and a broker that tells no topic id may
have been filled again with the same records, which is no difference to anybody.
"""

import hmac
from enum import StrEnum
from typing import Final

import msgspec

from agents.commits.record_batch import RawRecord
from schemas.errors import SealstreamError
from streams.frames import Holding
from streams.storage.watermarks import Partition, StoredPosition

DIGEST_BYTES: Final = 16


class Why(StrEnum):
    """Why a partition is not read."""

    RECREATED = "recreated"
    TRUNCATED = "truncated"
    REWRITTEN = "rewritten"
    EXPIRED = "expired"
    UNREACHABLE = "unreachable"


_WHAT: Final = {
    Why.RECREATED: "the topic was deleted and created again",
    Why.TRUNCATED: "the log ends before the stored position: it was truncated, or the topic created again",
    Why.REWRITTEN: "another record stands where the last processed one was: the log was truncated and filled again",
    Why.EXPIRED: "records beyond the stored position have expired before they were read",
    Why.UNREACHABLE: "its leader did not answer in time; it is asked again every few seconds",
}


class PartitionRefused(SealstreamError):
    """A partition is not read, because the stored position does not fit what the broker holds.

    Attributes:
        why: What is proven.
    """

    def __init__(self, place: Partition, why: Why, stored: StoredPosition | None, holding: Holding | None) -> None:
        topic, partition = place
        text = f"{topic}[{partition}] is not read: {_WHAT[why]}; stored: {_stored(stored)}"
        if holding is not None:
            text += (
                f"; found: offsets {holding.start} to {holding.end}, topic id {holding.topic_id or 'not told'}; "
                f"look with `sealstream topics progress {topic}`, then move the watermark deliberately: "
                f"`sealstream topics resume {topic} --partition {partition} --at beginning --reason …`"
            )
        super().__init__(text)
        self.place = place
        self.why = why


def record_digest(key: bytes, record: RawRecord) -> bytes:
    """What a record is recognised by later, with the place it stood at.

    Args:
        key: Keyed, because a plain digest of a mostly known payment is guessed in a second.
    """
    text = msgspec.msgpack.encode((record.offset, record.key, record.value, list(record.headers)))
    return hmac.digest(key, text, "sha256")[:DIGEST_BYTES]


def last_offset(stored: StoredPosition | None) -> int:
    """Where the last record before a position stands, as far as is known."""
    if stored is None:
        return 0
    # Steps of the first version don't tell; a record right before the position was the last one.
    return max(0, stored.offset - 1) if stored.mark.last_offset is None else stored.mark.last_offset


def judge(
    key: bytes, place: Partition, stored: StoredPosition | None, holding: Holding | None
) -> PartitionRefused | None:
    """Why a partition must not be read on at its stored position; None when nothing speaks against it.

    Args:
        key: Of the last record's digest.
        stored: None where nothing was read yet: any log will do.
        holding: What the broker holds, with the record at `last_offset`; None when it did not say.
    """
    why = None
    if holding is None:
        why = Why.UNREACHABLE
    elif stored is not None:
        why = _contradiction(key, stored, holding)
    return PartitionRefused(place, why, stored, holding) if why is not None else None


def _contradiction(key: bytes, stored: StoredPosition, holding: Holding) -> Why | None:
    mark, record = stored.mark, holding.record
    if None not in (mark.topic_id, holding.topic_id) and mark.topic_id != holding.topic_id:
        return Why.RECREATED
    if holding.end < stored.offset:
        return Why.TRUNCATED
    if record is not None and mark.last_digest is not None and record_digest(key, record) != mark.last_digest:
        return Why.REWRITTEN
    if holding.start > stored.offset:
        return Why.EXPIRED
    return None


def _stored(stored: StoredPosition | None) -> str:
    if stored is None:
        return "no position"
    mark = stored.mark
    last = "no record before it" if mark.last_digest is None else f"the last record at {last_offset(stored)}"
    epoch = f", leader epoch {mark.leader_epoch}" if mark.leader_epoch is not None else ""
    return f"position {stored.offset}, topic id {mark.topic_id or 'not known'}, {last}{epoch}"
