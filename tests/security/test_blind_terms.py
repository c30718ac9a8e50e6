import hmac
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import SearchKind
from security.blind_terms import TERM_BYTES, BlindIndex, normalise
from security.file_keyring import FileKeyring

ACCOUNT, NAME, REFERENCE = SearchKind.ACCOUNT, SearchKind.NAME, SearchKind.REFERENCE
MAGNITUDE, LEADING_DIGIT = SearchKind.MAGNITUDE, SearchKind.LEADING_DIGIT

SPELLINGS = [
    pytest.param(ACCOUNT, "BE68539007547034", "BE68539007547034", id="account-plain"),
    pytest.param(ACCOUNT, " be68 5390 0754 7034 ", "BE68539007547034", id="account-spaced-lower"),
    pytest.param(ACCOUNT, "539-0075470-34", "539007547034", id="account-dashes"),
    pytest.param(ACCOUNT, "539–0075470—34", "539007547034", id="account-typographic-dashes"),
    pytest.param(ACCOUNT, "BE68\u00a05390\u200b0754\t7034", "BE68539007547034", id="account-odd-spaces"),
    pytest.param(ACCOUNT, "６２２２０２１２３４", "6222021234", id="account-full-width"),
    pytest.param(ACCOUNT, "19-123/0800", "19123/0800", id="account-slash-stays"),
    pytest.param(ACCOUNT, "\x0012 34\x7f", "1234", id="account-controls"),
    pytest.param(ACCOUNT, " - ", None, id="account-nothing-left"),
    pytest.param(NAME, "Acme  Handels\tGmbH", "acme handels gmbh", id="name-spaces"),
    pytest.param(NAME, "A.C.M.E., Handels-GmbH", "acme handelsgmbh", id="name-punctuation"),
    pytest.param(NAME, "MÜLLER STRASSE", "müller strasse", id="name-upper-umlaut"),
    pytest.param(NAME, "Mu\u0308ller Straße", "müller strasse", id="name-decomposed-sharp-s"),
    pytest.param(NAME, "北京某某科技有限公司", "北京某某科技有限公司", id="name-chinese"),
    pytest.param(NAME, "北京某某科技（集团）有限公司", "北京某某科技集团有限公司", id="name-chinese-brackets"),
    pytest.param(NAME, "张\u3000三", "张三", id="name-chinese-set-apart"),
    pytest.param(NAME, "张 三 丰", "张三丰", id="name-chinese-three"),
    pytest.param(NAME, "𠮷 野家", "𠮷野家", id="name-chinese-beyond-bmp"),
    pytest.param(NAME, "中国 Bank 公司", "中国 bank 公司", id="name-mixed"),
    pytest.param(NAME, "ＡＣＭＥ　Ｌｔｄ．", "acme ltd", id="name-full-width"),
    pytest.param(NAME, "阿里巴巴·伊萨", "阿里巴巴伊萨", id="name-middle-dot"),
    pytest.param(NAME, "राम शर्मा", "राम शर्मा", id="name-vowel-signs-stay"),
    pytest.param(NAME, "O’Brien & Sons", "obrien sons", id="name-apostrophe"),
    pytest.param(NAME, "...", None, id="name-nothing-left"),
    pytest.param(NAME, "", None, id="name-empty"),
    pytest.param(REFERENCE, "  INV-2025 001 ", "INV-2025 001", id="reference-strip"),
    pytest.param(REFERENCE, "inv-1", "inv-1", id="reference-case-stays"),
    pytest.param(REFERENCE, "NOTPROVIDED", None, id="reference-not-provided"),
    pytest.param(REFERENCE, " NotProvided ", None, id="reference-not-provided-odd"),
    pytest.param(REFERENCE, "NONREF", None, id="reference-nonref"),
    pytest.param(REFERENCE, "NOTPROVIDED1", "NOTPROVIDED1", id="reference-longer"),
    pytest.param(REFERENCE, "   ", None, id="reference-empty"),
    pytest.param(MAGNITUDE, "4500.00", "1e3", id="magnitude"),
    pytest.param(MAGNITUDE, "999.99", "1e2", id="magnitude-below"),
    pytest.param(MAGNITUDE, "1000", "1e3", id="magnitude-at"),
    pytest.param(MAGNITUDE, "0.05", "1e-2", id="magnitude-cents"),
    pytest.param(MAGNITUDE, "0.00", "0", id="magnitude-nothing"),
    pytest.param(MAGNITUDE, "-4.5E3", "1e3", id="magnitude-json-number"),
    pytest.param(LEADING_DIGIT, " 0004500.00 ", "4e3", id="leading-digit"),
    pytest.param(LEADING_DIGIT, "0.059", "5e-2", id="leading-digit-cents"),
    pytest.param(LEADING_DIGIT, "999999999999999999", "9e17", id="leading-digit-longest"),
    pytest.param(LEADING_DIGIT, "1_000", None, id="leading-digit-python-number"),
    pytest.param(LEADING_DIGIT, "NaN", None, id="leading-digit-not-a-number"),
    pytest.param(LEADING_DIGIT, "1e9999", None, id="leading-digit-beyond-all"),
    pytest.param(LEADING_DIGIT, "٤٥", None, id="leading-digit-other-script"),
]


@pytest.fixture
def ring(tmp_path: Path) -> FileKeyring:
    return FileKeyring(tmp_path / "keys")


@pytest.mark.parametrize(("kind", "text", "expected"), SPELLINGS)
def test_normalises(kind: SearchKind, text: str, expected: str | None) -> None:
    assert normalise(kind, text) == expected


@pytest.mark.parametrize(("kind", "text", "expected"), SPELLINGS)
def test_a_term_is_the_truncated_hmac_of_the_normal_form(
    ring: FileKeyring, kind: SearchKind, text: str, expected: str | None
) -> None:
    term = BlindIndex(ring).term("bank-a", "field", kind, text)
    if expected is None:
        assert term is None
    else:
        key = ring.index_key("bank-a", "field")
        assert term == hmac.digest(key, expected.encode(), "sha256")[:8]


@given(st.sampled_from(SearchKind), st.text(max_size=60))
def test_normalising_twice_changes_nothing(kind: SearchKind, text: str) -> None:
    once = normalise(kind, text)
    if once is not None:
        assert normalise(kind, once) == once


@given(st.sampled_from([ACCOUNT, NAME]), st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30))
def test_full_width_text_is_found_by_plain_text(kind: SearchKind, text: str) -> None:
    full_width = "".join(chr(ord(character) + 0xFEE0) for character in text)
    assert normalise(kind, full_width) == normalise(kind, text)


@given(st.text(max_size=60))
def test_ascii_and_other_texts_follow_the_same_rules(text: str) -> None:
    ascii_part = "".join(character for character in text if character.isascii())
    # U+200B is dropped by both kinds, so it only takes the text off the path for ASCII.
    for kind in (ACCOUNT, NAME):
        assert normalise(kind, ascii_part + "\u200b") == normalise(kind, ascii_part)


@given(st.sampled_from(SearchKind), st.text(st.characters(), max_size=40))
def test_no_text_is_an_error(kind: SearchKind, text: str) -> None:
    normalise(kind, text)


def test_a_lone_surrogate_is_a_text_like_others(ring: FileKeyring) -> None:
    assert BlindIndex(ring).term("bank-a", "f", REFERENCE, "x\ud800") is not None


def test_huge_texts_take_no_time_to_speak_of(ring: FileKeyring) -> None:
    index = BlindIndex(ring)
    for kind in SearchKind:
        assert index.term("bank-a", "f", kind, "ﷺ" * 5_000_000) == index.term("bank-a", "f", kind, "ﷺ" * 5_000)


def test_terms_of_two_tenants_or_fields_cannot_be_compared(ring: FileKeyring) -> None:
    index = BlindIndex(ring)
    terms = {
        index.term(tenant, field, ACCOUNT, "BE68539007547034")
        for tenant in ("bank-a", "bank-b")
        for field in ("account", "counterparty_account")
    }
    assert len(terms) == 4
    assert {len(term) for term in terms if term is not None} == {TERM_BYTES}


def test_terms_are_the_same_in_another_process(ring: FileKeyring) -> None:
    first, second = BlindIndex(ring), BlindIndex(ring)
    for _ in range(2):
        assert first.term("a", "f", NAME, "Acme") == second.term("a", "f", NAME, "ACME.")
    assert first.term("a", "f", NAME, "Acme") != first.term("a", "f", NAME, "Acmf")
