"""What subscribers get: each leaf as a CloudEvent with its place in the log. No field, no ciphertext."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from schemas.events import AttributeValue, Event, binary_headers
from schemas.leaf import Leaf

RESULT_KINDS: Final = frozenset({"accepted", "closing", "result", "duplicate", "review"})
DEAD_LETTER_KINDS: Final = frozenset({"rejected", "replay"})


class NoticeTopics(NamedTuple):
    """The outgoing topics of one tenant."""

    results: str
    audit: str
    dead_letters: str


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to publish.

    Attributes:
        event: What a subscriber decodes; its data is the leaf as it stands in the log.
    """

    topic: str
    key: bytes
    event: Event

    @property
    def value(self) -> bytes:
        """Payload."""
        return self.event.data or b""

    @property
    def spread(self) -> bool:
        """The log's order is the topic's order."""
        return False

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """Kafka headers; made anew each time."""
        return binary_headers(self.event)


def topics_for(leaf: Leaf, topics: NoticeTopics) -> tuple[str, ...]:
    """Where a leaf goes: everything to the audit topic, results and dead letters also to their own."""
    if leaf.kind in RESULT_KINDS:
        return (topics.audit, topics.results)
    if leaf.kind in DEAD_LETTER_KINDS:
        return (topics.audit, topics.dead_letters)
    return (topics.audit,)


def make_notice(
    topic: str,
    leaf: Leaf,
    body: bytes,
    origin: str,
    index: int,
    previous: int | None,
    traceparent: str | None = None,
) -> Notice:
    """The CloudEvent (Kafka binding, binary mode) for one leaf in one topic.

    Args:
        previous: Index of the leaf before it in this topic, None for the first: subscribers detect gaps by it.
        traceparent: Context of the publication's span, where it is traced.
    """
    place = str(index)
    extensions: dict[str, AttributeValue] = {"seallog": origin, "sealindex": place}
    if previous is not None:
        extensions["sealprev"] = str(previous)
    if traceparent is not None:
        extensions["traceparent"] = traceparent
    event = Event(
        id=place,
        source=origin,
        type=f"io.sealstream.{leaf.kind}.v1",
        datacontenttype="application/json",
        time=leaf.time,
        data=body,
        extensions=extensions,
    )
    return Notice(topic, (leaf.record or leaf.message or "").encode(), event)
