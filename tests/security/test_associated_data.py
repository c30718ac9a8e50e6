from hypothesis import given
from hypothesis import strategies as st

from security.associated_data import length_prefixed, length_prefixed_bytes

parts = st.lists(st.binary(max_size=12), max_size=5)


@given(parts, parts)
def test_two_lists_of_parts_never_give_the_same_bytes(one: list[bytes], other: list[bytes]) -> None:
    assert (length_prefixed(*one) == length_prefixed(*other)) == (one == other)


@given(parts, parts)
def test_joins_front_and_back(front: list[bytes], back: list[bytes]) -> None:
    assert length_prefixed(*front, *back) == length_prefixed(*front) + length_prefixed(*back)


def test_encodes_by_the_description() -> None:
    assert length_prefixed("é", 12, b"\x00") == b"\0\0\0\2\xc3\xa9" + b"\0\0\0\x0212" + b"\0\0\0\1\0"
    assert length_prefixed_bytes(b"ab") == length_prefixed(b"ab")
