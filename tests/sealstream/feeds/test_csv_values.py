import datetime as dt
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.amounts import parse_amount
from sealstream.feeds.csv_values import Conventions, read_direction

POINT = "1234.50"
COMMA = "1234,50"


def after_seeing(*cells: str) -> Conventions:
    conventions = Conventions()
    for cell in cells:
        conventions.see_amount(cell)
        conventions.see_date(cell)
    return conventions


@pytest.mark.parametrize(
    ("cell", "witness", "expected"),
    [
        pytest.param("12", "", "12", id="whole"),
        pytest.param("12.5", "", "12.5", id="point"),
        pytest.param("12,5", "", "12.5", id="comma"),
        pytest.param("+12.50", "", "12.50", id="plus"),
        pytest.param(".5", "", "0.5", id="no-whole-part"),
        pytest.param("5.", "", "5", id="no-fraction"),
        pytest.param("1,234.56", "", "1234.56", id="english"),
        pytest.param("1.234,56", "", "1234.56", id="german"),
        pytest.param("1 234,56", "", "1234.56", id="french"),
        pytest.param("1\u202f234,56 €", "", "1234.56", id="narrow-space-and-sign"),
        pytest.param("1'234.56", "", "1234.56", id="swiss"),
        pytest.param("£1,183.23", "", "1183.23", id="pound"),
        pytest.param("1.234.567", "", "1234567", id="grouped-by-points"),
        pytest.param("1,234,567", "", "1234567", id="grouped-by-commas"),
        pytest.param("0.125", "", "0.125", id="three-decimals"),
        pytest.param("1.234", "", "1.234", id="lone-point-is-decimal"),
        pytest.param("1.234", COMMA, "1234", id="point-groups-where-commas-are-decimal"),
        pytest.param("1,234", POINT, "1234", id="comma-groups-where-points-are-decimal"),
        pytest.param("1,234", COMMA, "1.234", id="comma-decimal-with-a-witness"),
        pytest.param("1,234", "", None, id="lone-comma-with-three-digits-is-unknown"),
        pytest.param("12.34.56", "", None, id="date-like"),
        pytest.param("1,23,456", "", None, id="odd-groups"),
        pytest.param("--5", "", None, id="two-signs"),
        pytest.param("(5", "", None, id="half-a-bracket"),
        pytest.param("(-5)", "", None, id="bracket-and-sign"),
        pytest.param(".", "", None, id="mark-alone"),
        pytest.param("", "", None, id="empty"),
        pytest.param("12 EUR", "", None, id="code"),
        pytest.param("1" * 65, "", None, id="endless"),
    ],
)
def test_amounts(cell: str, witness: str, expected: str | None) -> None:
    reading = after_seeing(witness, cell).read_amount(cell)
    assert (reading[0] if reading else None) == expected


def test_a_file_with_both_marks_decides_nothing() -> None:
    assert after_seeing(POINT, COMMA).read_amount("1.234") is None


@given(st.decimals(min_value=-(10**12), max_value=10**12, allow_nan=False, allow_infinity=False, places=2))
def test_what_programs_write_is_read_exactly(value: Decimal) -> None:
    reading = after_seeing(f"{value:f}").read_amount(f"{value:f}")
    assert reading is not None
    digits, negative = reading
    assert (-1 if negative else 1) * parse_amount(digits, "amount") == value


@given(st.text(max_size=80) | st.text(alphabet="0123456789.,+-() ’", max_size=80))
def test_whatever_is_read_is_a_checked_decimal(cell: str) -> None:
    reading = after_seeing(cell).read_amount(cell)
    assert reading is None or re.fullmatch(r"[0-9]+(\.[0-9]+)?", reading[0])


def test_hostile_cells_are_settled_without_backtracking() -> None:
    conventions = Conventions()
    for cell in ("1" * 100_000 + "x", "1," * 60_000, " " * 130_000, "2026-01-01" + "x" * 130_000):
        conventions.see_amount(cell)
        conventions.see_date(cell)
        assert conventions.read_amount(cell) is None
        assert conventions.read_date(cell) is None


@pytest.mark.parametrize(
    ("cell", "witness", "expected"),
    [
        pytest.param("2026-03-04", "", "2026-03-04", id="iso"),
        pytest.param("2026-03-04T10:11:12Z", "", "2026-03-04", id="timestamp"),
        pytest.param("2026-03-04 10:11:12 +0100", "", "2026-03-04", id="timestamp-with-space"),
        pytest.param("2026/3/4", "", "2026-03-04", id="slashes-year-first"),
        pytest.param("2026.03.04.", "", "2026-03-04", id="hungarian"),
        pytest.param("20260304", "", "2026-03-04", id="compact"),
        pytest.param("2026年3月4日", "", "2026-03-04", id="chinese"),
        pytest.param("04.03.2026", "", "2026-03-04", id="german"),
        pytest.param("4.3.26", "", "2026-03-04", id="german-short"),
        pytest.param("04-Mar-2026", "", "2026-03-04", id="month-name"),
        pytest.param("31/01/2026", "", "2026-01-31", id="only-day-first"),
        pytest.param("01/31/2026", "", "2026-01-31", id="only-month-first"),
        pytest.param("05/05/2026", "", "2026-05-05", id="the-same-either-way"),
        pytest.param("03/04/2026", "31/01/2026", "2026-04-03", id="day-first-by-witness"),
        pytest.param("03/04/2026", "01/31/2026", "2026-03-04", id="month-first-by-witness"),
        pytest.param("03/04/2026", "", None, id="unknown"),
        pytest.param("2026-02-30", "", None, id="no-such-day"),
        pytest.param("0000-01-01", "", None, id="no-such-year"),
        pytest.param("2026-03/04", "", None, id="mixed"),
        pytest.param("Pending", "", None, id="word"),
    ],
)
def test_dates(cell: str, witness: str, expected: str | None) -> None:
    assert after_seeing(witness).read_date(cell) == expected


@given(st.dates(min_value=dt.date(1, 1, 1)))
def test_iso_dates_are_kept(date: dt.date) -> None:
    assert Conventions().read_date(date.isoformat()) == date.isoformat()


@pytest.mark.parametrize(
    ("cell", "direction"),
    [("CRDT", "CRDT"), ("Debit", "DBIT"), ("H", "CRDT"), ("借", "DBIT"), ("-", "DBIT"), ("?", None)],
)
def test_directions(cell: str, direction: str | None) -> None:
    assert read_direction(cell) == direction
