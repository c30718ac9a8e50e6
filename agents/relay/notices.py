"""What subscribers get: each leaf as a CloudEvent with its place in the log. No field, no ciphertext."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from schemas.events import AttributeValue, Event
from schemas.leaf import Leaf

RESULT_KINDS: Final = frozenset({"accepted", "closing", "result", "duplicate", "review"})
DEAD_LETTER_KINDS: Final = frozenset({"rejected", "replay"})


class NoticeTopics(NamedTuple):
    """The outgoing topics of one tenant."""

    results: str
    audit: str
    dead_letters: str


class Draft(NamedTuple):
    """A notice that nobody has signed yet.

    Attributes:
        event: What a subscriber decodes, but for its attestation; its data is the leaf as it stands in the log.
    """

    topic: str
    key: bytes
    event: Event


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to publish.

    Attributes:
        event: What a subscriber decodes.
        headers: Kafka headers. Notices of one event share them: they are not to be changed.
    """

    topic: str
    key: bytes
    event: Event
    headers: Sequence[tuple[str, bytes]]

    @property
    def value(self) -> bytes:
        """Payload."""
        return self.event.data or b""

    @property
    def spread(self) -> bool:
        """The log's order is the topic's order."""
        return False


def topics_for(leaf: Leaf, topics: NoticeTopics) -> tuple[str, ...]:
    """Where a leaf goes: everything to the audit topic, results and dead letters also to their own."""
    if leaf.kind in RESULT_KINDS:
        return (topics.audit, topics.results)
    if leaf.kind in DEAD_LETTER_KINDS:
        return (topics.audit, topics.dead_letters)
    return (topics.audit,)


def draft_notices(
    topics: Sequence[str],
    leaf: Leaf,
    body: bytes,
    origin: str,
    index: int,
    previous: Mapping[str, int],
    traceparent: str | None = None,
) -> list[Draft]:
    """One leaf's notices, one for each topic. Those that follow the same leaf in their topics share one event.

    Args:
        topics: Where it goes.
        previous: Index of the leaf before it by topic, none for a topic's first: subscribers detect gaps by it.
        traceparent: Context of the publication's span, where it is traced.
    """
    key = (leaf.record or leaf.message or "").encode()
    drafts: list[Draft] = []
    for topic in topics:
        before = previous.get(topic)
        if not drafts or before != previous.get(drafts[-1].topic):
            event = _event(leaf, body, origin, index, before, traceparent)
        drafts.append(Draft(topic, key, event))
    return drafts


def _event(leaf: Leaf, body: bytes, origin: str, index: int, previous: int | None, traceparent: str | None) -> Event:
    place = str(index)
    extensions: dict[str, AttributeValue] = {"seallog": origin, "sealindex": place}
    if previous is not None:
        extensions["sealprev"] = str(previous)
    if traceparent is not None:
        extensions["traceparent"] = traceparent
    return Event(
        id=place,
        source=origin,
        type=f"io.sealstream.{leaf.kind}.v1",
        datacontenttype="application/json",
        time=leaf.time,
        data=body,
        extensions=extensions,
    )
