"""A producer's closing as JSON: what is taken, what is refused, and with which reason."""

import base64
import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.closing import MAX_BYTES, Closing, closing_values, decode_closing, encode_closing, signed_second
from schemas.control_totals import ControlTotal, ControlTotals, transactions_of
from schemas.errors import Rejection
from schemas.reasons import Reason
from schemas.transaction import Transaction
from tests.support.messages import entry, statement, transaction

TOTAL = {"currency": "EUR", "credit_debit": "CRDT", "count": 2, "amount": "250.80"}
FULL: dict[str, Any] = {
    "from": "2026-01-05T00:00:00Z",
    "to": "2026-01-06T00:00:00Z",
    "count": 2,
    "root": base64.b64encode(b"r" * 32).decode(),
    "totals": [TOTAL],
    "replaces": "former",
}

seconds = st.datetimes(min_value=dt.datetime(1, 1, 2), max_value=dt.datetime(9999, 12, 30)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=dt.UTC)
)
totals = st.builds(
    ControlTotal,
    currency=st.none() | st.from_regex(r"[A-Z]{3}", fullmatch=True),
    credit_debit=st.sampled_from([None, "CRDT", "DBIT"]),
    count=st.integers(0, 10**12),
    amount=st.decimals(min_value=0, max_value=Decimal(10) ** 30, places=2),
)


@given(
    seconds,
    st.integers(1, 10**6),
    st.integers(0, 10**12),
    st.lists(totals, max_size=5, unique_by=lambda each: each.direction),
    st.binary(min_size=32, max_size=32),
)
def test_decode_inverts_encode(
    start: dt.datetime, length: int, count: int, sums: list[ControlTotal], root: bytes
) -> None:
    end = min(start + dt.timedelta(seconds=length), dt.datetime(9999, 12, 31, tzinfo=dt.UTC))
    closing = Closing(start=start, end=end, count=count, totals=tuple(sums), root=root)
    assert decode_closing(encode_closing(closing)) == closing


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"count": -1}, "schema_violation", id="negative-count"),
        pytest.param({"count": 10**12 + 1}, "schema_violation", id="huge-count"),
        pytest.param({"count": 10**400}, "schema_violation", id="count-beyond-any-number"),
        pytest.param({"count": 1.5}, "schema_violation", id="fraction-of-a-message"),
        pytest.param({"count": True}, "schema_violation", id="count-is-a-boolean"),
        pytest.param({"count": float("nan")}, "malformed", id="count-is-NaN"),
        pytest.param({"totals": [TOTAL | {"amount": "-1"}]}, "schema_violation", id="negative-amount"),
        pytest.param({"totals": [TOTAL | {"amount": "NaN"}]}, "schema_violation", id="amount-is-NaN"),
        pytest.param({"totals": [TOTAL | {"amount": "Infinity"}]}, "schema_violation", id="amount-is-infinite"),
        pytest.param({"totals": [TOTAL | {"amount": "1e400"}]}, "schema_violation", id="amount-has-an-exponent"),
        pytest.param({"totals": [TOTAL | {"amount": "1_0"}]}, "schema_violation", id="amount-has-an-underscore"),
        pytest.param({"totals": [TOTAL | {"amount": "१"}]}, "schema_violation", id="amount-in-other-digits"),
        pytest.param({"totals": [TOTAL | {"amount": 1}]}, "schema_violation", id="amount-is-a-number"),
        pytest.param({"totals": [TOTAL | {"amount": "9" * 37}]}, "schema_violation", id="amount-too-long"),
        pytest.param({"totals": [TOTAL | {"amount": "1.123456"}]}, "schema_violation", id="too-many-fraction-digits"),
        pytest.param({"totals": [TOTAL | {"count": -1}]}, "schema_violation", id="negative-count-of-a-total"),
        pytest.param({"totals": [TOTAL | {"currency": "eur"}]}, "schema_violation", id="no-currency"),
        pytest.param({"totals": [TOTAL | {"credit_debit": "C"}]}, "schema_violation", id="no-direction"),
        pytest.param({"totals": [TOTAL, TOTAL]}, "schema_violation", id="one-direction-twice"),
        pytest.param({"totals": [TOTAL] * 513}, "schema_violation", id="more-totals-than-there-are-currencies"),
        pytest.param({"totals": [TOTAL | {"x": 1}]}, "schema_violation", id="unknown-member-of-a-total"),
        pytest.param({"root": "AAAA"}, "schema_violation", id="short-root"),
        pytest.param({"root": "*"}, "schema_violation", id="root-is-not-base64"),
        pytest.param({"from": FULL["to"]}, "schema_violation", id="empty-period"),
        pytest.param({"from": "2026-01-07T00:00:00Z"}, "schema_violation", id="period-that-runs-backwards"),
        pytest.param({"from": "2026-02-30T00:00:00Z"}, "schema_violation", id="no-such-day"),
        pytest.param({"from": "2026-01-05T00:00:00+01:00"}, "schema_violation", id="another-zone"),
        pytest.param({"from": "2026-01-05T00:00:00.5Z"}, "schema_violation", id="fraction-of-a-second"),
        pytest.param({"replaces": ""}, "schema_violation", id="replaces-nothing"),
        pytest.param({"replaces": "a\nb"}, "malformed", id="control-character"),
        pytest.param({"replaces": "a" * 1025}, "oversized", id="endless-id"),
        pytest.param({"source": "urn:x"}, "schema_violation", id="a-second-source"),
    ],
)
def test_a_closing_that_is_none_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejection) as refused:
        decode_closing(json.dumps(FULL | changes).encode())
    assert refused.value.reason == reason


def test_a_million_currencies_are_refused_before_they_are_read() -> None:
    wire = FULL | {"totals": [TOTAL] * 10**6}
    data = json.dumps(wire).encode()
    assert len(data) > MAX_BYTES
    with pytest.raises(Rejection) as refused:
        decode_closing(data)
    assert refused.value.reason is Reason.OVERSIZED


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"{", json.dumps(FULL).encode().replace(b'"root"', b'"count": 2, "root"')],
    ids=["nothing", "no-text", "half", "a-member-twice"],
)
def test_what_is_no_json_is_malformed(data: bytes) -> None:
    with pytest.raises(Rejection) as refused:
        decode_closing(data)
    assert refused.value.reason is Reason.MALFORMED


def test_the_fields_are_named_in_order_and_absent_ones_left_out() -> None:
    values = closing_values(decode_closing(json.dumps(FULL).encode()))
    assert [name for name, _ in values] == ["count", "from", "replaces", "root", "to", "totals"]
    first = {name: value for name, value in FULL.items() if name != "replaces"}
    assert "replaces" not in dict(closing_values(decode_closing(json.dumps(first).encode())))


def test_the_second_is_the_one_that_was_signed() -> None:
    assert signed_second("2026-01-05T09:00:00.9+01:00") == dt.datetime(2026, 1, 5, 8, tzinfo=dt.UTC)
    assert signed_second("2016-12-31T23:59:60Z") == dt.datetime(2016, 12, 31, 23, 59, 59, tzinfo=dt.UTC)


def test_totals_are_exact_and_kept_apart_by_currency_and_direction() -> None:
    sums = ControlTotals()
    largest = Decimal("9999999999999.99999")
    sums.add([Transaction(amount=largest, currency="EUR", credit_debit="CRDT")] * 1000)
    sums.add([Transaction(amount=Decimal("0.1"), currency="EUR", credit_debit="DBIT")] * 3)
    sums.add([Transaction(amount=Decimal(5))])
    assert [(each.direction, each.count, str(each.amount)) for each in sums.totals()] == [
        ((None, None), 1, "5.00"),
        (("EUR", "CRDT"), 1000, "9999999999999999.99"),
        (("EUR", "DBIT"), 3, "0.30"),
    ]


def test_transactions_come_out_of_both_kinds_of_message_and_bad_ones_are_left_out() -> None:
    def amounts(kind: str, data: bytes) -> list[str]:
        return [str(each.amount) for each in transactions_of(kind, data)]

    assert amounts("io.sealstream.transaction.v1", transaction("a").data) == ["125.40"]
    assert amounts("io.sealstream.transaction.v1", b"{}") == []
    two = statement("s", [entry("R1"), entry("R2", "5.00"), entry("R3", stated="x")])
    assert amounts("io.sealstream.statement.v1", two.data) == ["10.00", "5.00"]
    assert amounts("io.sealstream.document.v1", b"text") == []


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"totals":' + b"[" * 100_000, b'{"x":' * 20_000])
def test_what_is_nested_too_deep_is_refused(data: bytes) -> None:
    with pytest.raises(Rejection):
        decode_closing(data)
