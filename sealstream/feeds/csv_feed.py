"""CSV exports of banks: one transaction for each row. What the columns and cells mean is read by two siblings.

The file is read twice: first to learn its delimiter and how it writes numbers and dates, then row by row for
publishing. A row that can't be understood is published as it was written, so that the platform refuses it visibly.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from sealstream.feeds.columns import Columns
from sealstream.feeds.csv_file import read_header, read_rows
from sealstream.feeds.csv_row import AMOUNT_COLUMNS, RowReader
from sealstream.feeds.csv_values import Conventions
from sealstream.feeds.feed import Ignored
from sealstream.feeds.files import modified_at
from sealstream.feeds.item import TRANSACTION_TYPE, TRANSACTIONS_TOPIC, FeedItem

_DATES = ("booking_date", "value_date")


class CsvFeed:
    """The rows of one file.

    Args:
        path: The file; UTF-8, with or without a byte order mark, delimited by commas, semicolons or tabs, with a
            header row.
        id_prefix: What the ids of its rows begin with; the file's stem when not given.
        topic: Where to publish; `transactions` when not given.

    Raises:
        ConfigurationError: The file can't be read, is not UTF-8, is not CSV, or has no amount column.
    """

    expectation = None

    def __init__(self, path: Path, *, id_prefix: str | None = None, topic: str | None = None) -> None:
        self.name = path.name
        self._path = path
        self._id_prefix = path.stem if id_prefix is None else id_prefix
        self._topic = topic or TRANSACTIONS_TOPIC
        self._modified_at = modified_at(path)
        self._delimiter, headers, columns = read_header(path)
        conventions, blank_rows = self._survey(columns)
        self._reader = RowReader(columns, conventions)
        self.ignored = tuple(_left_out(headers, columns, blank_rows))

    def items(self) -> Iterator[FeedItem]:
        """One transaction for each row that holds anything."""
        encode = msgspec.json.Encoder().encode
        for number, cells in enumerate(self._data_rows(), start=1):
            if not any(map(str.strip, cells)):
                continue
            record, date = self._reader.read(cells)
            yield FeedItem(
                topic=self._topic,
                type=TRANSACTION_TYPE,
                id=f"{self._id_prefix}#{number}",
                data=encode(record),
                datacontenttype="application/json",
                time=f"{date}T00:00:00Z" if date else self._modified_at,
            )

    def _data_rows(self) -> Iterator[list[str]]:
        rows = read_rows(self._path, self._delimiter)
        next(rows, None)
        return rows

    def _survey(self, columns: Columns) -> tuple[Conventions, int]:
        conventions = Conventions()
        amounts = [columns.positions[field] for field in AMOUNT_COLUMNS if field in columns.positions]
        dates = [columns.positions[field] for field in _DATES if field in columns.positions]
        blank = 0
        for cells in self._data_rows():
            if not any(map(str.strip, cells)):
                blank += 1
                continue
            for position in amounts:
                conventions.see_amount(cells[position] if position < len(cells) else "")
            for position in dates:
                conventions.see_date(cells[position].strip() if position < len(cells) else "")
        return conventions, blank


def _left_out(headers: list[str], columns: Columns, blank_rows: int) -> Iterator[Ignored]:
    for position in columns.unknown:
        yield Ignored(f"column {headers[position].strip()}", "no field of a transaction has this name")
    for position in columns.second:
        yield Ignored(f"column {headers[position].strip()}", "another column already gives this field")
    if blank_rows:
        yield Ignored(f"{blank_rows} rows", "all their cells are empty")
