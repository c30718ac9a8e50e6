"""Checked decimals and currency codes."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.amounts import parse_amount, parse_currency
from schemas.errors import Rejection
from schemas.reasons import Reason


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("0", id="zero"),
        pytest.param("12.50", id="two-decimals"),
        pytest.param("1.12345", id="five-decimals"),
        pytest.param("123456789012345678", id="eighteen-digits"),
        pytest.param("1234567890123.12345", id="eighteen-digits-with-point"),
        pytest.param("0000000000000000000012", id="leading-zeros-do-not-count"),
    ],
)
def test_takes_plain_decimals_exactly(text: str) -> None:
    assert parse_amount(text, "Amt") == Decimal(text)


def test_keeps_the_fraction_digits_as_written() -> None:
    assert str(parse_amount("12.50", "Amt")) == "12.50"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, id=name)
        for name, text in {
            "empty": "",
            "not-a-number": "NaN",
            "signalling": "sNaN",
            "infinity": "Infinity",
            "exponent": "1e400",
            "small-exponent": "1E1",
            "underscore": "1_0",
            "minus": "-5",
            "minus-zero": "-0",
            "plus": "+5",
            "leading-space": " 5",
            "trailing-newline": "5\n",
            "comma": "1,50",
            "grouping": "1'000",
            "two-points": "12..34",
            "bare-point": ".",
            "no-whole-part": ".5",
            "no-fraction": "5.",
            "arabic-digits": "١٢",
            "fullwidth-digits": "１２",
            "hexadecimal": "0x10",
            "nineteen-digits": "1234567890123456789",
            "nineteen-digits-with-point": "12345678901234.12345",
            "six-decimals": "0.000001",
            "nul": "5\x00",
        }.items()
    ],
)
def test_refuses_every_other_form(text: str) -> None:
    with pytest.raises(Rejection) as refused:
        parse_amount(text, "Amt")
    assert refused.value.reason is Reason.SCHEMA_VIOLATION
    assert refused.value.detail.startswith("Amt: ")


@given(st.decimals(min_value=0, max_value=Decimal("9999999999999.99999"), places=5, allow_nan=False))
def test_reads_back_every_amount_in_bounds(amount: Decimal) -> None:
    assert parse_amount(format(amount, "f"), "Amt") == amount


@given(st.text(max_size=40))
def test_gives_a_bounded_value_or_a_rejection_without_the_text(text: str) -> None:
    outcome = _outcome(text)
    if isinstance(outcome, Decimal):
        assert outcome.is_finite()
        assert 0 <= outcome < Decimal(10) ** 18
        assert outcome == outcome.quantize(Decimal("0.00001"))
    else:
        assert outcome in {
            "Amt: not a plain non-negative decimal",
            "Amt: more than 18 digits",
            "Amt: more than 5 digits after the point",
        }


def _outcome(text: str) -> Decimal | str:
    try:
        return parse_amount(text, "Amt")
    except Rejection as exc:
        return exc.detail


def test_is_linear_in_hostile_lengths() -> None:
    with pytest.raises(Rejection):
        parse_amount("0" * 1_000_000 + "x", "Amt")


@pytest.mark.parametrize("code", ["EUR", "XAU", "CNY"])
def test_takes_currency_codes(code: str) -> None:
    assert parse_currency(code, "Ccy") == code


@pytest.mark.parametrize("code", ["", "eur", "EU", "EURO", "E1R", "EUR\n", "ÄÖÜ", " EUR"])
def test_refuses_other_currency_codes(code: str) -> None:
    with pytest.raises(Rejection) as refused:
        parse_currency(code, "Ccy")
    assert refused.value.detail == "Ccy: not a three-letter currency code"
