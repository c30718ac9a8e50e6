"""The rows of a CSV file: encoding, delimiter, quoting. What the cells mean is `sealstream.feeds.csv_row`."""

import csv
from collections.abc import Iterator
from pathlib import Path

from schemas.errors import ConfigurationError
from sealstream.feeds.columns import Columns, recognise_columns
from sealstream.feeds.files import readable

_DELIMITERS = (",", ";", "\t")


def read_header(path: Path) -> tuple[str, list[str], Columns]:
    """Find the delimiter under which most headers are known; returns it, the headers and what they mean.

    Raises:
        ConfigurationError: The file can't be read, is not UTF-8, or no header names an amount.
    """
    candidates = []
    for delimiter in _DELIMITERS:
        # Not strict: under the wrong delimiter quotes seem out of place.
        headers = next(read_rows(path, delimiter, strict=False), [])
        columns = recognise_columns(headers)
        candidates.append((len(columns.positions), len(headers), delimiter, headers, columns))
    _, _, delimiter, headers, columns = max(candidates, key=lambda candidate: candidate[:2])
    if not columns.has_amount:
        # The headers are not repeated: in a file without any they would be somebody's payment.
        raise ConfigurationError(
            f"{path}: no header in the first row names an amount; name a column `amount` (or `debit` and `credit`)"
        )
    return delimiter, headers, columns


def read_rows(path: Path, delimiter: str, *, strict: bool = True) -> Iterator[list[str]]:
    """Rows as they stand in the file, wholly empty lines left out.

    Strict, because a quote that is never closed would otherwise swallow the rest of the file without a word.

    Raises:
        ConfigurationError: The file can't be read, is not UTF-8, or its quoting can't be followed.
    """
    with readable(path), path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=strict)
        try:
            yield from filter(None, reader)
        except UnicodeDecodeError:
            raise ConfigurationError(
                f"{path}: not UTF-8, somewhere after line {reader.line_num}; convert it, for example with "
                "`iconv -f GB18030 -t UTF-8` or `iconv -f WINDOWS-1252 -t UTF-8`"
            ) from None
        except csv.Error as exc:
            fact = "a cell of more than 131072 characters" if "field larger" in str(exc) else "a quote out of place"
            raise ConfigurationError(
                f"{path}: {fact} in line {reader.line_num}; nothing can be read after it"
            ) from None
