"""What subscribers get: each leaf as a CloudEvent with its place in the log. No field, no ciphertext."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from schemas.leaf import Leaf

RESULT_KINDS: Final = frozenset({"accepted", "result", "duplicate", "review"})
DEAD_LETTER_KINDS: Final = frozenset({"rejected", "replay"})


class NoticeTopics(NamedTuple):
    """The outgoing topics of one tenant."""

    results: str
    audit: str
    dead_letters: str


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to publish; `value` is the leaf as it stands in the log."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


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
    traceparent: bytes | None = None,
) -> Notice:
    """The CloudEvent (Kafka binding, binary mode) for one leaf in one topic.

    Args:
        previous: Index of the leaf before it in this topic, None for the first: subscribers detect gaps by it.
        traceparent: Context of the publication's span, where it is traced.
    """
    place = b"%d" % index
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", place),
        ("ce_source", origin.encode()),
        ("ce_type", b"io.sealstream." + leaf.kind.encode() + b".v1"),
        ("ce_time", leaf.time.encode()),
        ("content-type", b"application/json"),
        ("ce_seallog", origin.encode()),
        ("ce_sealindex", place),
    ]
    if previous is not None:
        headers.append(("ce_sealprev", b"%d" % previous))
    if traceparent is not None:
        headers.append(("ce_traceparent", traceparent))
    key = leaf.record or leaf.message or ""
    return Notice(topic, key.encode(), body, headers)
