"""Values that have a form: each kind is found with its exact span, and what only looks like it is not."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.families import open_text_model
from agents.inference.folding import fold
from agents.inference.model_directory import read_manifest, write_directory
from agents.inference.patterns.model import KINDS, MODEL_DIRECTORY
from agents.inference.patterns.recogniser import Found, without_overlaps
from schemas.errors import ConfigurationError

MODEL = open_text_model(MODEL_DIRECTORY)
IBAN = "GB33BUKB20201555555555"


def found(text: str) -> list[tuple[str, str]]:
    (answer,) = MODEL.answer(MODEL.prepare([text]))
    return [(each.kind, text[each.start : each.end]) for each in answer.extracted]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        pytest.param(f"Pay {IBAN} today", "IBAN_CODE", IBAN, id="iban"),
        pytest.param("to gb33bukb20201555555555.", "IBAN_CODE", "gb33bukb20201555555555", id="iban-lower"),
        pytest.param(
            "GB33 BUKB 2020 1555 5555 55 was paid", "IBAN_CODE", "GB33 BUKB 2020 1555 5555 55", id="iban-groups"
        ),
        pytest.param("账号DE89370400440532013000收款", "IBAN_CODE", "DE89370400440532013000", id="iban-chinese"),
        pytest.param(
            "GB33 BUKB 2020 1555 5555 55 2024", "IBAN_CODE", "GB33 BUKB 2020 1555 5555 55", id="iban-then-year"
        ),
        pytest.param("BIC: DEUTDEFF, please", "BIC", "DEUTDEFF", id="bic-named"),
        pytest.param("via CHASUS33XXX", "BIC", "CHASUS33XXX", id="bic-digit"),
        pytest.param("LEI 5493001KJTIIGC8Y1R12", "LEI", "5493001KJTIIGC8Y1R12", id="lei"),
        pytest.param("card 4111 1111 1111 1111 2031", "CREDIT_CARD", "4111 1111 1111 1111", id="card-then-year"),
        pytest.param("银行卡6222020000000000000", "CREDIT_CARD", "6222020000000000000", id="card-unionpay"),
        pytest.param(
            "UETR 97ed4827-7b6f-4491-a06f-b548d5a7512d", "UETR", "97ed4827-7b6f-4491-a06f-b548d5a7512d", id="uetr"
        ),
        pytest.param("EndToEndId: INV-2024/0815.", "END_TO_END_ID", "INV-2024/0815", id="end-to-end"),
        pytest.param("sort code 20-20-15 account 55555555", "UK_ACCOUNT_NUMBER", "55555555", id="uk-account"),
        pytest.param("20-20-15 55555555", "UK_SORT_CODE", "20-20-15", id="uk-sort-code"),
        pytest.param("税号91110000600037341L。", "CN_CREDIT_CODE", "91110000600037341L", id="credit-code"),
        pytest.param("身份证360426199101010071", "CN_RESIDENT_ID", "360426199101010071", id="resident"),
        pytest.param("SSN 536-90-4399", "US_SSN", "536-90-4399", id="ssn"),
        pytest.param("write to a.b+c@example.co.uk.", "EMAIL_ADDRESS", "a.b+c@example.co.uk", id="email"),
        pytest.param("see https://example.com/a?b=1, now", "DOMAIN_NAME", "https://example.com/a?b=1", id="url"),
        pytest.param("from 192.0.2.17.", "IP_ADDRESS", "192.0.2.17", id="ipv4"),
        pytest.param("from 2001:db8::17 on", "IP_ADDRESS", "2001:db8::17", id="ipv6"),
        pytest.param("call +44 7700 900123", "PHONE_NUMBER", "+44 7700 900123", id="phone"),
        pytest.param("电话13800138000。", "PHONE_NUMBER", "13800138000", id="phone-chinese"),
        pytest.param("on 2024-02-29 we", "DATE_TIME", "2024-02-29", id="date-iso"),
        pytest.param("于2024年3月12日付款", "DATE_TIME", "2024年3月12日", id="date-chinese"),
        pytest.param("on 12 March 2024,", "DATE_TIME", "12 March 2024", id="date-words"),
        pytest.param("paid EUR 1.234,56 to", "AMOUNT", "EUR 1.234,56", id="amount-code"),
        pytest.param("owes $12,500.00.", "AMOUNT", "$12,500.00", id="amount-sign"),
        pytest.param("支付人民币1,234.56元整", "AMOUNT", "人民币1,234.56元整", id="amount-yuan"),
        pytest.param("共计3.5万元", "AMOUNT", "3.5万元", id="amount-wan"),
        pytest.param("大写壹佰贰拾元整", "AMOUNT", "壹佰贰拾元整", id="amount-capitals"),
        pytest.param("lives at SW1A 1AA.", "ZIP_CODE", "SW1A 1AA", id="postcode-uk"),
        pytest.param("Springfield, IL 62704", "ZIP_CODE", "62704", id="zip"),
        pytest.param("Dr. Who is 900", "TITLE", "Dr.", id="title"),
        pytest.param("she is 45 years old", "AGE", "45", id="age"),
        pytest.param("他今年45岁", "AGE", "45", id="age-chinese"),
        pytest.param("driver's license number is F1623205", "US_DRIVER_LICENSE", "F1623205", id="licence"),
    ],
)
def test_a_value_is_found_with_its_exact_span(text: str, kind: str, value: str) -> None:
    assert (kind, value) in found(text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        pytest.param("GB34BUKB20201555555555", "IBAN_CODE", id="iban-check-digits"),
        pytest.param("GB33BUKB2020155555555", "IBAN_CODE", id="iban-too-short"),
        pytest.param("xGB33BUKB20201555555555", "IBAN_CODE", id="iban-inside-a-word"),
        pytest.param("THIS DOCUMENT IS", "BIC", id="bic-word"),
        pytest.param("5493001KJTIIGC8Y1R13", "LEI", id="lei-check-digits"),
        pytest.param("4111 1111 1111 1112", "CREDIT_CARD", id="card-luhn"),
        pytest.param("9999 9999 9999 9995", "CREDIT_CARD", id="card-brand"),
        pytest.param("91110000600037341M", "CN_CREDIT_CODE", id="credit-code-check"),
        pytest.param("360426199101010072", "CN_RESIDENT_ID", id="resident-check"),
        pytest.param("360426199113010078", "CN_RESIDENT_ID", id="resident-month-13"),
        pytest.param("666-12-3456", "US_SSN", id="ssn-area"),
        pytest.param("256.1.1.1", "IP_ADDRESS", id="ip-octet"),
        pytest.param("2023-02-29", "DATE_TIME", id="no-leap-day"),
        pytest.param("97ed4827-7b6f-1491-a06f-b548d5a7512d", "UETR", id="uuid-of-another-version"),
        pytest.param("20-20-15", "UK_SORT_CODE", id="sort-code-alone"),
        pytest.param("一块去吃饭", "AMOUNT", id="together"),
    ],
)
def test_what_only_looks_like_it_is_left(text: str, kind: str) -> None:
    assert kind not in [each for each, _ in found(text)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("ＧＢ３３ＢＵＫＢ２０２０１５５５５５５５５５", id="full-width"),
        pytest.param("GB33\u200bBUKB\u200d2020\ufeff1555555555", id="zero-width-inside"),
        pytest.param("GB33\u00a0BUKB\u00a02020\u00a01555\u00a05555\u00a055", id="no-break-spaces"),
        pytest.param("GB33\u2011BUKB\u20112020\u20111555\u20115555\u201155", id="no-break-hyphens"),
        pytest.param("GB٣٣BUKB٢٠٢٠١٥٥٥٥٥٥٥٥٥", id="arabic-digits"),
    ],
)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("to ", " now", id="plain"),
        pytest.param("𝒳😀 e\u0301 ", " 😀", id="surrogate-pairs-and-marks"),
        pytest.param("\u202bשלום ", "\u202c", id="right-to-left"),
        pytest.param("㎏ﷺ ", "", id="characters-that-grow"),
    ],
)
def test_spans_are_those_of_the_text_as_it_came(text: str, before: str, after: str) -> None:
    assert ("IBAN_CODE", text) in found(before + text + after)


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_gives_ordered_spans_within_it_that_do_not_overlap(before: str, after: str) -> None:
    text = f"{before} {IBAN} 12 {after} 5€ 1.1.2020"
    (answer,) = MODEL.answer(MODEL.prepare([text]))
    at = 0
    for each in answer.extracted:
        assert at <= each.start < each.end <= len(text)
        assert each.kind in KINDS
        at = each.end


@given(st.text(max_size=300))
def test_a_folded_text_tells_where_each_code_point_came_from(text: str) -> None:
    folded = fold(text)
    places = folded.places if folded.places is not None else tuple(range(len(text)))
    assert len(places) == len(folded.text)
    assert list(places) == sorted(places)
    assert not places or places[-1] < len(text)


def test_an_empty_text_has_nothing_and_counts_as_one_token() -> None:
    (prepared,) = MODEL.prepare([""])
    assert prepared.tokens == 1
    assert found("") == []


def test_of_two_that_overlap_the_earlier_recogniser_wins_whatever_the_order() -> None:
    one, other, apart = Found("A", 5, 10, 0), Found("B", 0, 8, 1), Found("B", 10, 12, 1)
    longer = Found("C", 20, 30, 2)
    shorter = Found("C", 25, 32, 2)
    for finds in ([one, other, apart, longer, shorter], [shorter, longer, apart, other, one]):
        assert without_overlaps(finds) == [one, apart, longer]


HOSTILE = [
    "1", "1 ", "1-", "12-", "1.", "1,", "(1)", "(1) ", "+1 ", "a", "a.", "a@", "a.a@a.", "@", "a-", "aA1",
    "GB33", "GB33 ", "XXXXXXX", ":", "a:", "0:", "http://", "www.", "1 000 ", "壹", "一百", "1万", "年", "1月1",
    "may ", "in 19", "zip ", "sort code ", "EREF ", "ssn ", "aged ", "Dr. ", "driver license ", "$", "$1,000",
    "9999999999999999999 ", "A1A ", "\u200b", "１", "ﷺ", "e\u0301", "account ", "-",
]  # fmt: skip

_RUN = """
import resource, sys, json
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
from agents.inference.families import open_text_model
from agents.inference.patterns.model import MODEL_DIRECTORY
model = open_text_model(MODEL_DIRECTORY)
for piece in json.load(sys.stdin):
    model.answer(model.prepare([(piece * 30_000)[:30_000] + "!"]))
"""


def test_hostile_texts_take_no_more_than_linear_time() -> None:
    # Three seconds of processor time; one quadratic recogniser would need hours and is killed by the limit.
    subprocess.run([sys.executable, "-c", _RUN], input=msgspec.json.encode(HOSTILE), check=True)


def test_every_kind_has_a_confidence_of_its_own(tmp_path: Path) -> None:
    manifest = read_manifest(MODEL_DIRECTORY)
    assert set(manifest.labels) == set(KINDS)
    broken = {**manifest.settings["confidence"], "IBAN_CODE": 1.5}
    write_directory(tmp_path, msgspec.structs.replace(manifest, settings={"confidence": broken}), {})
    with pytest.raises(ConfigurationError, match="confidence"):
        open_text_model(tmp_path)


def test_a_model_of_other_kinds_is_refused(tmp_path: Path) -> None:
    manifest = msgspec.structs.replace(read_manifest(MODEL_DIRECTORY), labels=("IBAN_CODE",))
    write_directory(tmp_path, manifest, {})
    with pytest.raises(ConfigurationError, match="kinds"):
        open_text_model(tmp_path)
