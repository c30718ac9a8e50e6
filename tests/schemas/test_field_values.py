import datetime as dt
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Rejection
from schemas.field_values import record_values
from schemas.reasons import Reason
from schemas.transaction import Transaction

amounts = st.decimals(min_value=0, max_value=Decimal(10) ** 13, places=5) | st.sampled_from(
    [Decimal("0"), Decimal("0.00"), Decimal("1E+3"), Decimal("1E-5"), Decimal("0E-5"), Decimal("999999999999999999")]
)
transactions = st.builds(
    Transaction,
    amount=amounts,
    currency=st.none() | st.just("EUR"),
    credit_debit=st.sampled_from([None, "CRDT", "DBIT"]),
    status=st.sampled_from([None, "BOOK", "PDNG", "INFO"]),
    reversal=st.booleans(),
    booking_date=st.none() | st.dates(),
    value_date=st.none() | st.dates(),
    **dict.fromkeys(
        ("account", "counterparty_name", "end_to_end_id", "remittance_information", "uetr", "purpose"),
        st.none() | st.text(max_size=20),
    ),
)


def test_gives_present_fields_in_canonical_form_sorted_by_name() -> None:
    transaction = Transaction(
        amount=Decimal("1E+3"),
        currency="CNY",
        credit_debit="DBIT",
        booking_date=dt.date(2025, 1, 2),
        counterparty_name="北京某某",
        remittance_information="",
    )
    assert record_values(transaction) == [
        ("amount", b"1000"),
        ("booking_date", b"2025-01-02"),
        ("counterparty_name", "北京某某".encode()),
        ("credit_debit", b"DBIT"),
        ("currency", b"CNY"),
        ("remittance_information", b""),
        ("reversal", b"false"),
    ]


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("12.50", b"12.50"), ("0", b"0"), ("1E-5", b"0.00001"), ("123456789012345678", b"123456789012345678")],
)
def test_an_amount_keeps_its_digits_and_has_no_exponent(amount: str, expected: bytes) -> None:
    assert dict(record_values(Transaction(amount=Decimal(amount))))["amount"] == expected


def test_names_do_not_tell_a_reversal() -> None:
    plain, reversal = (record_values(Transaction(amount=Decimal(1), reversal=value)) for value in (False, True))
    assert [name for name, _ in plain] == [name for name, _ in reversal]
    assert dict(reversal)["reversal"] == b"true"


@given(transactions)
def test_the_values_say_all_that_the_transaction_says(transaction: Transaction) -> None:
    values = record_values(transaction)
    assert [name for name, _ in values] == sorted(name for name, _ in values)
    text = {name: value.decode() for name, value in values}
    assert msgspec.convert(text, Transaction, strict=False) == transaction


def test_every_field_can_be_taken_out() -> None:
    text = dict.fromkeys(Transaction.__struct_fields__, "x")
    text |= {"amount": "1", "currency": "EUR", "credit_debit": "CRDT", "status": "BOOK", "reversal": "true"}
    text |= {"booking_date": "2025-01-02", "value_date": "2025-01-03"}
    values = record_values(msgspec.convert(text, Transaction, strict=False))
    assert {name: value.decode() for name, value in values} == text


def test_text_that_is_no_unicode_is_malformed_and_not_repeated() -> None:
    with pytest.raises(Rejection, match="counterparty_name") as caught:
        record_values(Transaction(amount=Decimal(1), counterparty_name="Zhang\ud800"))
    assert caught.value.reason is Reason.MALFORMED
    assert "Zhang" not in str(caught.value)
