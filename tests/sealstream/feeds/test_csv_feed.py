import json
import os
from pathlib import Path

import pytest

from schemas.errors import ConfigurationError, Rejection
from schemas.reasons import Reason
from schemas.transaction_json import decode_transaction
from sealstream.feeds import FeedItem
from sealstream.producing.open_feed import open_feed
from tests.shared_data import shared

MODIFIED = 1_770_000_000  # 2026-02-02T02:40:00Z


def write(tmp_path: Path, content: str | bytes, name: str = "export.csv") -> str:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(path, (MODIFIED, MODIFIED))
    return str(path)


def rows(feed: str) -> list[dict[str, object]]:
    return [json.loads(item.data) for item in open_feed(feed).items()]


def test_every_row_of_a_real_ledger_becomes_a_valid_transaction() -> None:
    feed = open_feed(str(shared("data/reconciliation/splink/transactions_origin.csv")))
    items = list(feed.items())
    transactions = [decode_transaction(item.data) for item in items]
    assert len(items) == 45_326
    assert len({item.id for item in items}) == 45_326
    assert {left_out.name for left_out in feed.ignored} == {"column ground_truth", "column unique_id"}
    assert all(found.remittance_information and found.booking_date for found in transactions)
    nothing_invented = ("currency", "credit_debit", "account", "counterparty_account", "status", "value_date")
    assert not any(getattr(found, name) for found in transactions for name in nothing_invented)


def test_an_item_is_the_same_on_every_run(tmp_path: Path) -> None:
    feed = write(tmp_path, "memo,date,amount\nrent,2026-01-31,5.10\ngift,,7\n")
    items = list(open_feed(feed).items())
    assert items == list(open_feed(feed).items())
    assert items[0] == FeedItem(
        topic="transactions",
        type="io.sealstream.transaction.v1",
        id="export#1",
        data=b'{"amount":"5.10","remittance_information":"rent","booking_date":"2026-01-31"}',
        datacontenttype="application/json",
        time="2026-01-31T00:00:00Z",
    )
    assert (items[1].id, items[1].time) == ("export#2", "2026-02-02T02:40:00Z")


def test_a_topic_of_the_callers_choice(tmp_path: Path) -> None:
    assert [item.topic for item in open_feed(write(tmp_path, "amount\n1\n"), topic="mine").items()] == ["mine"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte-order-mark"])
@pytest.mark.parametrize("quote", ["", '"'], ids=["bare", "quoted"])
def test_delimiters_byte_order_marks_and_quotes(tmp_path: Path, delimiter: str, mark: bytes, quote: str) -> None:
    lines = [["Amount", "Beschreibung", "Verwendungszweck"], ["1.50", "x", "Miete März"]]
    text = "".join(delimiter.join(f"{quote}{cell}{quote}" for cell in line) + "\r\n" for line in lines)
    assert rows(write(tmp_path, mark + text.encode())) == [{"amount": "1.50", "remittance_information": "Miete März"}]


@pytest.mark.parametrize(
    ("header", "field", "cell", "value"),
    [
        pytest.param("Booking Date", "booking_date", "2026-03-04", "2026-03-04", id="spaces"),
        pytest.param("transaction_date", "booking_date", "2026-03-04", "2026-03-04", id="underscores"),
        pytest.param("VALUE-DATE", "value_date", "2026-03-04", "2026-03-04", id="capitals"),
        pytest.param("Payee", "counterparty_name", "Anna", "Anna", id="payee"),
        pytest.param("IBAN", "account", "DE89 3704 0044 0532 0130 00", "DE89370400440532013000", id="iban"),
        pytest.param("reference", "end_to_end_id", "E-1", "E-1", id="reference"),
        pytest.param("Währung", "currency", "eur", "EUR", id="german"),
        pytest.param("摘要", "remittance_information", "房租", "房租", id="chinese"),
        pytest.param("Credit/Debit Indicator", "credit_debit", "Soll", "DBIT", id="direction"),
        pytest.param("reversal", "reversal", "true", True, id="flag"),
        pytest.param("text", "remittance_information", "two\nlines", "two lines", id="lines"),
        pytest.param("bank transaction code", "bank_transaction_code", "PMNT-RCDT", "PMNT-RCDT", id="field-name"),
    ],
)
def test_columns_are_known_by_their_header(tmp_path: Path, header: str, field: str, cell: str, value: object) -> None:
    assert rows(write(tmp_path, f'amount,{header}\n1,"{cell}"\n')) == [{"amount": "1", field: value}]


def test_the_better_of_two_columns_for_one_field_is_taken_and_the_other_is_named(tmp_path: Path) -> None:
    feed = write(tmp_path, "Counterparty,Name,Amount\nNL12,Shop,1\n")
    assert rows(feed) == [{"amount": "1", "counterparty_name": "NL12"}]
    assert [left_out.name for left_out in open_feed(feed).ignored] == ["column Name"]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        pytest.param(["-5.00", "7.00"], [("5.00", "DBIT"), ("7.00", "CRDT")], id="signed"),
        pytest.param(["5.00", "7.00"], [("5.00", None), ("7.00", None)], id="unsigned-stay-without-direction"),
        pytest.param(["-5.00", "0.00"], [("5.00", "DBIT"), ("0.00", None)], id="zero-has-no-direction"),
        pytest.param(["(5.00)", "7.00-"], [("5.00", "DBIT"), ("7.00", "DBIT")], id="accountants"),
        pytest.param(["−5.00"], [("5.00", "DBIT")], id="typographic-minus"),
    ],
)
def test_signs_of_amounts(tmp_path: Path, cells: list[str], expected: list[tuple[str, str | None]]) -> None:
    found = rows(write(tmp_path, "amount\n" + "".join(f"{cell}\n" for cell in cells)))
    assert [(row["amount"], row.get("credit_debit")) for row in found] == expected


@pytest.mark.parametrize(
    ("row", "amount", "direction"),
    [
        pytest.param("5.00,D", "5.00", "DBIT", id="indicator"),
        pytest.param("-5.00,D", "5.00", "DBIT", id="both-agree"),
        pytest.param("5.00,CRDT", "5.00", "CRDT", id="iso-code"),
        pytest.param("-5.00,CRDT", "-5.00", "CRDT", id="contradiction-is-refused-by-the-platform"),
        pytest.param("5.00,sideways", "5.00", "sideways", id="unknown-word-is-refused-by-the-platform"),
    ],
)
def test_an_indicator_column_beside_the_amount(tmp_path: Path, row: str, amount: str, direction: str) -> None:
    (found,) = rows(write(tmp_path, f"amount,debit credit\n{row}\n"))
    assert (found["amount"], found["credit_debit"]) == (amount, direction)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param("5.00,", {"amount": "5.00", "credit_debit": "DBIT"}, id="debit"),
        pytest.param(",7.00", {"amount": "7.00", "credit_debit": "CRDT"}, id="credit"),
        pytest.param("0.00,7.00", {"amount": "7.00", "credit_debit": "CRDT"}, id="zero-beside"),
        pytest.param("-5.00,", {"amount": "5.00", "credit_debit": "DBIT"}, id="debit-written-below-zero"),
        pytest.param(",-7.00", {"amount": "-7.00"}, id="credit-below-zero-contradicts-itself"),
        pytest.param("5.00,7.00", {"amount": "5.00 7.00"}, id="both"),
    ],
)
def test_debit_and_credit_columns(tmp_path: Path, row: str, expected: dict[str, str]) -> None:
    assert rows(write(tmp_path, f"debit,credit\n{row}\n")) == [expected]


@pytest.mark.parametrize(
    "row",
    [
        pytest.param("five euros,x", id="amount-in-words"),
        pytest.param(",x", id="no-amount"),
        pytest.param("1e3,x", id="exponent"),
        pytest.param("1_0,x", id="underscore"),
        pytest.param("NaN,x", id="nan"),
        pytest.param("٣,x", id="digits-of-another-script"),
        pytest.param("1,23,rent", id="cells-too-many"),
        pytest.param("Total", id="cells-too-few"),
    ],
)
def test_a_row_that_cannot_be_read_is_published_and_refused_by_the_platform(tmp_path: Path, row: str) -> None:
    items = list(open_feed(write(tmp_path, f"amount,memo\n3.00,fine\n{row}\n4.00,fine\n")).items())
    assert [item.id for item in items] == ["export#1", "export#2", "export#3"]
    with pytest.raises(Rejection) as caught:
        decode_transaction(items[1].data)
    assert caught.value.reason is Reason.SCHEMA_VIOLATION
    assert decode_transaction(items[2].data).amount == 4


def test_empty_rows_are_not_published_and_counted(tmp_path: Path) -> None:
    feed = open_feed(write(tmp_path, "amount,memo\n1,a\n\n,\n2,b\n , \n"))
    assert [item.id for item in feed.items()] == ["export#1", "export#3"]
    assert [left_out.name for left_out in feed.ignored] == ["2 rows"]


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        pytest.param("金额,摘要\n1,房租\n".encode("gb18030"), "not UTF-8.*iconv -f GB18030", id="gb18030"),
        pytest.param("amount;text\n1;Miete März\n".encode("cp1252"), "not UTF-8, somewhere after line", id="windows"),
        pytest.param("amount,memo\n1,x\n".encode("utf-16"), "not UTF-8", id="utf-16"),
        pytest.param(b'amount,memo\n1,"never closed\n2,x\n', "quote out of place in line", id="open-quote"),
        pytest.param(b"amount,memo\n1," + b"x" * 140_000 + b"\n", "more than 131072 characters", id="endless-cell"),
        pytest.param(b"2026-01-31,-12.00,Anna Muster\n", "no header in the first row names an amount", id="headless"),
        pytest.param(b"", "no header in the first row names an amount", id="empty"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_clear_error_before_anything_is_published(
    tmp_path: Path, content: bytes, fact: str
) -> None:
    with pytest.raises(ConfigurationError, match=fact) as caught:
        open_feed(write(tmp_path, content))
    assert "Anna" not in str(caught.value)
