"""What a lane holds: for each record that waits, its ids and nothing else.

Whoever reads a lane trusts none of it: the record's row says whether it waits, and in which lane.
"""

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import msgspec

from agents.commits.routing import DEFERRED, LANES, read_plan
from schemas.leaf import Leaf
from streams.storage.deferring import Waiting

TOPIC_PREFIX: Final = "lane."
TOPICS: Final = tuple(TOPIC_PREFIX + lane for lane in LANES)
"""The most urgent first."""

VERSION: Final = 1


class LaneText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payload."""

    commit: int
    log: str
    record: str
    v: int


@dataclass(frozen=True, slots=True)
class LaneMessage:
    """One message to publish; see `streams.notices.Publishable`."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    spread: bool = True


def lane_message(leaf: Leaf, origin: str) -> LaneMessage | None:
    """What a sequenced leaf brings into a lane; None for every leaf but that of a record that is deferred."""
    if leaf.kind != "accepted" or leaf.outcome != DEFERRED or leaf.record is None:
        return None
    plan = read_plan(leaf.decision)
    if plan is None or plan.lane not in LANES:
        return None
    text = LaneText(leaf.commit, origin, leaf.record, VERSION)
    return LaneMessage(TOPIC_PREFIX + plan.lane, leaf.record.encode(), msgspec.json.encode(text))


def read_lane_message(value: bytes | None) -> Waiting | None:
    """Which record a message speaks of; None for what is no message of ours."""
    try:
        text = msgspec.json.decode(value or b"", type=LaneText)
        name = UUID(text.record)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return (name, text.commit) if text.v == VERSION and 0 <= text.commit < 1 << 63 else None
