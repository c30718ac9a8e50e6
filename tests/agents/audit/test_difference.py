"""What differs between two multisets comes out, whatever they have in common."""

import os
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from agents.audit.difference import MultisetDifference

ITEM_BYTES = 6
KEY = b"k" * 32

items = st.binary(min_size=ITEM_BYTES, max_size=ITEM_BYTES)


def difference(expected: list[bytes], found: list[bytes], item_bytes: int = ITEM_BYTES) -> MultisetDifference:
    made = MultisetDifference(item_bytes, KEY)
    for item in expected:
        made.expect(item)
    for item in found:
        made.find(item)
    return made


@given(expected=st.lists(items), found=st.lists(items), common=st.lists(items))
def test_names_every_item_with_how_often_it_is_missing_or_too_many(
    expected: list[bytes], found: list[bytes], common: list[bytes]
) -> None:
    counts = Counter(expected)
    counts.subtract(found)
    remainder, whole = difference(expected + common, common[::-1] + found).remainder()
    assert whole
    assert remainder == {item: count for item, count in counts.items() if count}


def test_finds_one_item_among_many() -> None:
    many = [number.to_bytes(ITEM_BYTES, "big") for number in range(50_000)]
    assert difference(many, many[1:]).remainder() == ({many[0]: 1}, True)
    assert difference(many, [*many, many[7]]).remainder() == ({many[7]: -1}, True)


def test_thousands_of_differences_come_out_whole() -> None:
    many = [os.urandom(16) for _ in range(4_000)]
    remainder, whole = difference(many, [], 16).remainder()
    assert whole
    assert remainder == dict.fromkeys(many, 1)


def test_says_when_there_are_too_many_differences_to_name_all() -> None:
    many = [number.to_bytes(ITEM_BYTES, "big") for number in range(20_000)]
    remainder, whole = difference(many, []).remainder()
    assert not whole
    assert all(count == 1 and item in many for item, count in remainder.items())


def test_equal_multisets_leave_nothing_even_when_an_item_is_there_often() -> None:
    many = [b"often!"] * 1_000 + [b"seldom"]
    assert difference(many, many[::-1]).remainder() == ({}, True)
