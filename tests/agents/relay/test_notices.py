import pytest

from agents.relay.notices import NoticeTopics, draft_notices, topics_for
from schemas.events import binary_headers, decode_event
from schemas.leaf import LEAF_VERSION, Leaf, encode_leaf

TOPICS = NoticeTopics("results.t", "audit.t", "dead-letters.t")


def leaf(kind: str, **members: str) -> Leaf:
    return Leaf(v=LEAF_VERSION, commit=1, kind=kind, time="2026-01-05T08:00:00.000Z", **members)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "topics"),
    [
        ("result", {"audit.t", "results.t"}),
        ("accepted", {"audit.t", "results.t"}),
        ("duplicate", {"audit.t", "results.t"}),
        ("rejected", {"audit.t", "dead-letters.t"}),
        ("replay", {"audit.t", "dead-letters.t"}),
        ("read", {"audit.t"}),
        ("search", {"audit.t"}),
        ("something-new", {"audit.t"}),
    ],
)
def test_every_leaf_goes_to_the_audit_topic_and_outcomes_to_their_own_too(kind: str, topics: set[str]) -> None:
    assert set(topics_for(leaf(kind), TOPICS)) == topics


def test_a_notice_is_a_cloudevent_whose_data_is_the_leaf() -> None:
    said = leaf("result", record="r", message="m")
    (draft,) = draft_notices(["results.t"], said, encode_leaf(said), "example.org/logs/t", 7, {"results.t": 3})
    event = decode_event(binary_headers(draft.event), draft.event.data)
    assert (event.id, event.source, event.type) == ("7", "example.org/logs/t", "io.sealstream.result.v1")
    assert (event.time, event.datacontenttype) == ("2026-01-05T08:00:00.000Z", "application/json")
    assert event.extensions == {"seallog": "example.org/logs/t", "sealindex": "7", "sealprev": "3"}
    assert event.data == encode_leaf(said)


def test_the_first_notice_of_a_topic_has_none_before_it() -> None:
    said = leaf("read")
    (draft,) = draft_notices(["audit.t"], said, encode_leaf(said), "o", 0, {"results.t": 3})
    assert "ce_sealprev" not in dict(binary_headers(draft.event))


@pytest.mark.parametrize("previous", [{}, {"a": 4}, {"a": 4, "b": 4}, {"a": 4, "b": 2}, {"b": 4, "a": 2}])
def test_notices_of_a_leaf_share_an_event_only_where_they_follow_the_same_leaf(previous: dict[str, int]) -> None:
    said = leaf("result")
    first, second = draft_notices(["a", "b"], said, encode_leaf(said), "o", 5, previous)
    assert (first.topic, second.topic) == ("a", "b")
    for draft in (first, second):
        before = previous.get(draft.topic)
        assert draft.event.extensions.get("sealprev") == (None if before is None else str(before))
    assert (first.event is second.event) is (previous.get("a") == previous.get("b"))


@pytest.mark.parametrize(
    ("members", "key"), [({"record": "r", "message": "m"}, b"r"), ({"message": "m"}, b"m"), ({}, b"")]
)
def test_the_key_is_the_record_else_its_message(members: dict[str, str], key: bytes) -> None:
    said = leaf("result", **members)
    (draft,) = draft_notices(["t"], said, b"", "o", 0, {})
    assert draft.key == key
