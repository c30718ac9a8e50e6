"""One transaction as JSON: what is taken, what is refused, and with which reason."""

import datetime as dt
import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Rejection
from schemas.reasons import Reason
from schemas.transaction import Transaction
from schemas.transaction_json import MAX_BYTES, decode_transaction
from tests.shared_data import shared

FULL = {
    "amount": "1250.50",
    "currency": "EUR",
    "credit_debit": "CRDT",
    "status": "BOOK",
    "reversal": True,
    "booking_date": "2026-04-10",
    "value_date": "2026-04-11",
    "account": "DE89 3704 0044 0532 0130 00",
    "counterparty_name": "Müller § Söhne",
    "counterparty_account": "DE02 1203 0000 0000 2020 51",
    "end_to_end_id": "INV-2026-117",
    "remittance_information": "Invoice 2026-117: two lines\nof April",
}


def _refusal(data: bytes) -> Rejection:
    with pytest.raises(Rejection) as refused:
        decode_transaction(data)
    return refused.value


def _outcome(data: bytes) -> Transaction | Reason:
    try:
        return decode_transaction(data)
    except Rejection as exc:
        return exc.reason


def _with(**members: object) -> bytes:
    return json.dumps({"amount": "1", **members}).encode()


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("indent", [None, 2])
def test_decodes_a_transaction_however_it_is_written(ascii_only: bool, indent: int | None) -> None:
    data = json.dumps(FULL, ensure_ascii=ascii_only, indent=indent).encode()
    assert decode_transaction(data) == Transaction(
        amount=Decimal("1250.50"),
        currency="EUR",
        credit_debit="CRDT",
        status="BOOK",
        reversal=True,
        booking_date=dt.date(2026, 4, 10),
        value_date=dt.date(2026, 4, 11),
        account="DE89370400440532013000",
        counterparty_name="Müller § Söhne",
        counterparty_account="DE02120300000000202051",
        end_to_end_id="INV-2026-117",
        remittance_information="Invoice 2026-117: two lines\nof April",
    )


def test_the_amount_alone_is_enough() -> None:
    assert decode_transaction(b'{"amount":"5"}') == Transaction(amount=Decimal(5))


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        pytest.param('"12.50"', "12.50", id="string"),
        pytest.param("12.50", "12.50", id="number"),
        pytest.param("0", "0", id="zero"),
        pytest.param("1234567890123.12345", "1234567890123.12345", id="number-beyond-a-float"),
        pytest.param('"1\\u0032"', "12", id="escaped-digit"),
    ],
)
def test_reads_amounts_exactly(written: str, amount: str) -> None:
    decoded = decode_transaction(f'{{"amount": {written}}}'.encode()).amount
    assert str(decoded) == amount


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(text, id=text.strip('"') or "empty")
        for text in (
            '"NaN"',
            '"Infinity"',
            '"1e400"',
            '"1_0"',
            '"-5"',
            '"+5"',
            '" 5 "',
            '""',
            '"1.5e1"',
            '"１２"',
            '"0.000001"',
            '"1234567890123456789"',
            '"5\\n"',
            "1e400",
            "1e2",
            "1.5e1",
            "-5",
            "-0",
            "1234567890123456789",
            "0.000001",
            "null",
            "true",
            "[]",
            "{}",
        )
    ],
)
def test_refuses_amounts_that_are_no_checked_decimals(written: str) -> None:
    refused = _refusal(f'{{"amount": {written}}}'.encode())
    assert refused.reason is Reason.SCHEMA_VIOLATION
    assert refused.detail.startswith("amount: ")


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        pytest.param(b"{}", "amount is missing", id="no-amount"),
        pytest.param(b"[]", "not a JSON object", id="array"),
        pytest.param(b'"x"', "not a JSON object", id="string"),
        pytest.param(_with(iban="DE1"), "an unknown member", id="unknown-member"),
        pytest.param(_with(**{"x` - at `$.currency": 1}), "an unknown member", id="member-that-imitates-a-path"),
        pytest.param(_with(currency=978), "currency: wrong type or form", id="number-for-text"),
        pytest.param(_with(currency="eur"), "currency: not a three-letter currency code", id="small-letters"),
        pytest.param(_with(credit_debit="CREDIT"), "credit_debit: wrong type or form", id="unknown-direction"),
        pytest.param(_with(status="FUTR"), "status: wrong type or form", id="unknown-status"),
        pytest.param(_with(reversal="true"), "reversal: wrong type or form", id="text-for-flag"),
        pytest.param(_with(booking_date="2026-02-30"), "booking_date: wrong type or form", id="no-such-day"),
        pytest.param(_with(booking_date="10.04.2026"), "booking_date: wrong type or form", id="other-date-form"),
        pytest.param(_with(booking_date=20260410), "booking_date: wrong type or form", id="date-as-number"),
        pytest.param(_with(account="x" * 257), "account: longer than 256 characters", id="long-text"),
        pytest.param(
            _with(remittance_information="x" * 4097),
            "remittance_information: longer than 4096 characters",
            id="long-free-text",
        ),
        pytest.param(_with(purpose="a\x00b"), "purpose: holds a control character", id="nul"),
        pytest.param(_with(counterparty_name="a\nb"), "counterparty_name: holds a control character", id="line-break"),
        pytest.param(_with(purpose="a\x7fb"), "purpose: holds a control character", id="escaped-delete"),
        pytest.param(
            json.dumps({"amount": "1", "purpose": "a\x7fb"}, ensure_ascii=False).encode(),
            "purpose: holds a control character",
            id="delete",
        ),
        pytest.param(
            json.dumps({"amount": "1", "purpose": "a\x9bb"}, ensure_ascii=False).encode(),
            "purpose: holds a control character",
            id="c1",
        ),
        pytest.param(
            _with(remittance_information="a\x1bb"), "remittance_information: holds a control character", id="escape"
        ),
    ],
)
def test_names_the_member_that_breaks_the_schema(data: bytes, detail: str) -> None:
    refused = _refusal(data)
    assert (refused.reason, refused.detail) == (Reason.SCHEMA_VIOLATION, detail)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut-off"),
        pytest.param(b'{"amount":"1"', id="unclosed"),
        pytest.param(b'{"amount":"1"} x', id="trailing-text"),
        pytest.param(b'{"amount":"1",}', id="trailing-comma"),
        pytest.param(b'{"amount":NaN}', id="nan-literal"),
        pytest.param(b'{"amount":01}', id="leading-zero"),
        pytest.param(b"{'amount':1}", id="single-quotes"),
        pytest.param(b'\xef\xbb\xbf{"amount":"1"}', id="byte-order-mark"),
        pytest.param('{"amount":"1"}'.encode("utf-16"), id="utf-16"),
        pytest.param(b'{"amount":"1","purpose":"\xff"}', id="not-utf-8"),
        pytest.param(b'{"amount":"1","purpose":"\xed\xa0\x80"}', id="encoded-surrogate"),
        pytest.param(b'{"amount":"1","purpose":"\\ud800"}', id="lone-surrogate"),
        pytest.param(b'{"amount":"1","purpose":"a\nb"}', id="bare-line-break"),
        pytest.param(b'{"amount":"1","purpose":2', id="wrong-type-and-cut-off"),
        pytest.param(b"[" * 100_000, id="deep-and-unclosed"),
        pytest.param(b'{"amount":' + b"[" * 50_000 + b"]" * 50_000 + b"}", id="deep"),
        pytest.param(b'{"amount":"1","amount":"2"}', id="amount-twice"),
        pytest.param(b'{"amount":"1","purpose":"a","purpose":"a"}', id="member-twice"),
        pytest.param(b'{"amount" : "1", "amount" : "1", "purpose": "::"}', id="member-twice-spaced"),
        pytest.param(b'{"amount":"1","purpose":null,"purpose":"a"}', id="null-then-value"),
        pytest.param(b'{"amount":"1","amoun\\u0074":"2"}', id="member-twice-escaped"),
    ],
)
def test_refuses_what_is_no_json_text(data: bytes) -> None:
    assert _refusal(data).reason is Reason.MALFORMED


def test_colons_in_texts_are_no_repeated_members() -> None:
    text = 'a:"b":":c:"'
    assert decode_transaction(_with(remittance_information=text)).remittance_information == text


def test_refuses_oversized_records() -> None:
    assert _refusal(b" " * MAX_BYTES + b'{"amount":"1"}').reason is Reason.OVERSIZED


def test_what_was_not_said_stays_none() -> None:
    decoded = decode_transaction(
        _with(purpose="", currency="", account=" ", end_to_end_id="NOTPROVIDED", uetr=None, remittance_information="")
    )
    assert decoded == Transaction(amount=Decimal(1))


def test_multibyte_texts_are_measured_in_characters() -> None:
    assert decode_transaction(_with(counterparty_name="社" * 256)).counterparty_name == "社" * 256
    assert decode_transaction(json.dumps({"amount": "1", "counterparty_name": "社" * 256}, ensure_ascii=False).encode())


def test_details_never_quote_the_record() -> None:
    for data in (_with(SECRET=1), _with(status="SECRET"), _with(booking_date="SECRET"), b'{"SECRET'):
        assert "SECRET" not in str(_refusal(data))


_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)
_AMOUNTS = st.decimals(min_value=0, max_value=Decimal("9999999999999.99999"), places=5)


@given(amount=_AMOUNTS, name=_TEXT, remittance=_TEXT, day=st.dates(), ascii_only=st.booleans())
def test_decode_inverts_encode(amount: Decimal, name: str, remittance: str, day: dt.date, ascii_only: bool) -> None:
    transaction = Transaction(amount=amount, counterparty_name=name, remittance_information=remittance, value_date=day)
    encoded = json.dumps(msgspec.to_builtins(transaction), ensure_ascii=ascii_only).encode()
    assert decode_transaction(encoded) == transaction


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_give_a_transaction_or_a_rejection(data: bytes) -> None:
    for payload in (data, b'{"amount":' + data + b"}", b'{"amount":"1","purpose":"' + data + b'"}'):
        outcome = _outcome(payload)
        assert isinstance(outcome, Transaction) or outcome in (Reason.MALFORMED, Reason.SCHEMA_VIOLATION)


def test_refuses_the_json_test_suite() -> None:
    files = sorted((shared("data/hostile/JSONTestSuite/test_parsing")).glob("n_*.json"))
    assert len(files) > 100
    for path in files:
        assert _refusal(path.read_bytes()).reason is Reason.MALFORMED, path.name


@pytest.mark.parametrize("nothing", [b"null", b'""'])
@pytest.mark.parametrize("name", sorted({*Transaction.__struct_fields__} - {"amount"}))
def test_a_member_that_is_null_or_empty_was_not_said(name: str, nothing: bytes) -> None:
    assert decode_transaction(b'{"amount":"1","%b":%b}' % (name.encode(), nothing)) == Transaction(amount=Decimal(1))


def test_a_member_without_a_word_is_still_given_once() -> None:
    for data in (b'{"amount":"1","reversal":null,"reversal":true}', b'{"amount":"1","status":"BOOK","status":""}'):
        assert _refusal(data)
    assert _refusal(b'{"amount":"1","reversal":null,"status":"booked"}').detail == "status: wrong type or form"
