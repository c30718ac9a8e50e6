"""One row of a CSV export as the members of a transaction. Which column is which is for `feeds.columns`."""

from collections.abc import Callable

from sealstream.feeds.columns import CREDIT, DEBIT, Columns
from sealstream.feeds.csv_values import Conventions, read_direction

AMOUNT_COLUMNS = ("amount", DEBIT, CREDIT)
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class RowReader:
    """Turns the cells of a row into the members of a transaction."""

    def __init__(self, columns: Columns, conventions: Conventions) -> None:
        self._conventions = conventions
        self._width = columns.width
        self._amount = columns.positions.get("amount")
        self._sides = [(sign, columns.positions.get(side)) for side, sign in ((DEBIT, "DBIT"), (CREDIT, "CRDT"))]
        self._texts = [(field, at) for field, at in columns.positions.items() if field not in AMOUNT_COLUMNS]
        self._conversions: dict[str, Callable[[str], object]] = {
            "booking_date": lambda cell: conventions.read_date(cell) or cell,
            "value_date": lambda cell: conventions.read_date(cell) or cell,
            "credit_debit": lambda cell: read_direction(cell) or cell,
            "currency": str.upper,
            "reversal": lambda cell: _FLAGS.get(cell.lower(), cell),
            "account": _without_spaces,
            "counterparty_account": _without_spaces,
        }

    def read(self, cells: list[str]) -> tuple[dict[str, object], str | None]:
        """Members of the transaction, and its date when it has one that could be read."""
        record: dict[str, object] = {"amount": ""}
        for field, position in self._texts:
            cell = _cell(cells, position)
            if cell:
                conversion = self._conversions.get(field)
                record[field] = cell if conversion is None else conversion(cell)
        if self._amount is None:
            self._read_sides(cells, record)
        else:
            self._read_amount(_cell(cells, self._amount), record)
        if len(cells) > self._width and any(map(str.strip, cells[self._width :])):
            # Somewhere in this row a delimiter is not one: which cell is which can't be told, so it must not pass.
            record["surplus_cells"] = cells[self._width :]
        date = record.get("booking_date") or record.get("value_date")
        known = date is not None and self._conventions.read_date(str(date)) == date
        return record, str(date) if known else None

    def _read_amount(self, cell: str, record: dict[str, object]) -> None:
        reading = self._conventions.read_amount(cell)
        if reading is None:
            record["amount"] = cell
            return
        digits, negative = reading
        stated = record.get("credit_debit")
        if negative and stated not in {None, "DBIT"}:
            record["amount"] = f"-{digits}"  # a credit below zero: the row contradicts itself
            return
        record["amount"] = digits
        if stated is None and negative:
            record["credit_debit"] = "DBIT"
        elif stated is None and self._conventions.negatives and digits.strip("0."):
            record["credit_debit"] = "CRDT"

    def _read_sides(self, cells: list[str], record: dict[str, object]) -> None:
        filled = [(sign, _cell(cells, at)) for sign, at in self._sides if at is not None and _cell(cells, at)]
        readings = [(sign, cell, self._conventions.read_amount(cell)) for sign, cell in filled]
        if len(readings) > 1:
            # Many exports write 0.00 into the column that does not apply.
            readings = [(sign, cell, at) for sign, cell, at in readings if at is None or at[0].strip("0.")] or readings[
                :1
            ]
        if len(readings) != 1:
            record["amount"] = " ".join(cell for _, cell, _ in readings)
            return
        sign, cell, reading = readings[0]
        if reading is None or (reading[1] and sign == "CRDT"):
            record["amount"] = cell
            return
        record["amount"] = reading[0]
        if reading[0].strip("0."):
            record["credit_debit"] = sign


def _cell(cells: list[str], position: int) -> str:
    if position >= len(cells):
        return ""
    cell = cells[position].strip()
    return " ".join(cell.splitlines()) if "\n" in cell or "\r" in cell else cell


def _without_spaces(cell: str) -> str:
    return cell.replace(" ", "").replace("\u00a0", "")
