import hashlib

from hypothesis import given
from hypothesis import strategies as st

from schemas.identity import item_record_id, message_record_id, position_id

texts = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=30)


def test_names_are_what_the_interface_says() -> None:
    assert message_record_id("urn:s", "付款-1") == hashlib.sha256("urn:s\0付款-1".encode()).digest()[:16]
    assert item_record_id("urn:s", "e", 12) == hashlib.sha256(b"urn:s\x00e\x0012").digest()[:16]


@given(texts, texts, texts, texts)
def test_two_messages_share_a_name_only_if_source_and_id_are_the_same(a: str, b: str, c: str, d: str) -> None:
    assert (message_record_id(a, b) == message_record_id(c, d)) == ((a, b) == (c, d))


@given(texts, texts, st.integers(0, 10**6))
def test_items_positions_and_messages_never_share_a_name(source: str, name: str, n: int) -> None:
    found = {
        message_record_id(source, name),
        item_record_id(source, name, n),
        item_record_id(source, name, n + 1),
        position_id(source, name, n, n + 1),
        position_id(source, name, n + 1, n),
    }
    assert len(found) == 5
    assert {len(each) for each in found} == {16}
