"""Masks show what their table says, and nothing else of a value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.access.masking import MaskKind, mask, mask_kind


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        (MaskKind.ACCOUNT, "DE89370400440532013000", "…3000"),
        (MaskKind.ACCOUNT, "6222 0212 3456 7890 123", "…0123"),
        (MaskKind.ACCOUNT, "1234-5678-9012", "…9012"),
        (MaskKind.ACCOUNT, "12345678", "…"),
        (MaskKind.ACCOUNT, "张伟的账户号码一二三四五六七", "…"),
        (MaskKind.NAME, "王小明", "王…"),
        (MaskKind.NAME, "王", "王…"),
        (MaskKind.NAME, "欧阳娜娜", "欧…"),
        (MaskKind.NAME, "阿卜杜拉·买买提", "阿…"),
        (MaskKind.NAME, "𠮷野家", "𠮷…"),
        (MaskKind.NAME, "Émile Zola", "É…"),
        (MaskKind.NAME, "E\u0301mile", "É…"),
        (MaskKind.NAME, "  Ada Lovelace", "A…"),
        (MaskKind.NAME, "3M", "…"),
        (MaskKind.NAME, "👩‍👩‍👧", "…"),
        (MaskKind.AMOUNT, "1234.56", "…(4)"),
        (MaskKind.AMOUNT, "-0001234.56", "-…(4)"),
        (MaskKind.AMOUNT, "0.99", "…(1)"),
        (MaskKind.AMOUNT, "12,5", "…"),
        (MaskKind.AMOUNT, "1e9", "…"),
        (MaskKind.DATE, "2026-03-01", "2026-…"),
        (MaskKind.DATE, "2026-03-01T08:00:00Z", "2026-…"),
        (MaskKind.DATE, "01/03/2026", "…"),
        (MaskKind.TEXT, "rent", "…(short)"),
        (MaskKind.TEXT, "x" * 21, "…(medium)"),
        (MaskKind.TEXT, "x" * 201, "…(long)"),
        (MaskKind.CODE, "11010519491231002X", "…"),
        (MaskKind.NAME, "", ""),
        (MaskKind.TEXT, " \n", ""),
    ],
)
def test_a_mask_shows_what_its_table_says(kind: MaskKind, value: str, shown: str) -> None:
    assert mask(kind, value) == shown


@given(st.sampled_from(MaskKind), st.text(min_size=1))
def test_a_mask_never_shows_more_than_four_characters_of_a_value(kind: MaskKind, value: str) -> None:
    left = mask(kind, value).replace("…", "").replace("(short)", "").replace("(medium)", "").replace("(long)", "")
    assert len(left) <= 5
    if kind is MaskKind.CODE:
        assert left == ""


@given(st.text(alphabet="赵钱孙李周吴郑王小明伟芳娜敏静丽强磊军洋", min_size=2, max_size=4))
def test_nothing_of_a_given_name_is_left(name: str) -> None:
    assert mask(MaskKind.NAME, name) == name[0] + "…"


@given(st.text(alphabet="ABCDEFGHIJ0123456789", min_size=12, max_size=34))
def test_two_accounts_with_the_same_end_look_the_same(account: str) -> None:
    assert mask(MaskKind.ACCOUNT, account) == mask(MaskKind.ACCOUNT, "Z" * 12 + account[-4:])


def test_a_field_that_nobody_described_is_masked_as_text() -> None:
    assert mask_kind("counterparty_name") is MaskKind.NAME
    assert mask_kind("whatever") is MaskKind.TEXT
