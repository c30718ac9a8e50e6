import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.closing_root import closing_root
from security.merkle import EMPTY_ROOT

messages = st.dictionaries(st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=64), max_size=40)


def test_the_root_is_that_of_rfc_6962_over_id_and_digests() -> None:
    one, two, three = [(bytes([n]) * 16, bytes([n]) * 32) for n in range(1, 4)]

    def leaf(message: tuple[bytes, bytes]) -> bytes:
        return hashlib.sha256(b"\0" + message[0] + message[1]).digest()

    def node(left: bytes, right: bytes) -> bytes:
        return hashlib.sha256(b"\1" + left + right).digest()

    assert closing_root([]) == EMPTY_ROOT
    assert closing_root([one]) == leaf(one)
    assert closing_root([one, two, three]) == node(node(leaf(one), leaf(two)), leaf(three))


@given(messages, st.data())
def test_any_change_of_the_messages_changes_the_root(found: dict[bytes, bytes], data: st.DataObject) -> None:
    root = closing_root(sorted(found.items()))
    if found:
        changed = data.draw(st.sampled_from(sorted(found)))
        assert closing_root(sorted((found | {changed: b"another digest".ljust(32)}).items())) != root
        assert closing_root(sorted((name, digests) for name, digests in found.items() if name != changed)) != root


def test_messages_in_another_order_or_twice_are_refused() -> None:
    one, two = (b"1" * 16, b"d" * 32), (b"2" * 16, b"d" * 32)
    for wrong in ([two, one], [one, one]):
        with pytest.raises(ValueError, match="order of their record ids"):
            closing_root(wrong)
