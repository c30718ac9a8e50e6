"""Entries of a log as a table: CSV, or Parquet for those who have pyarrow (extra `parquet`).

Every row holds the leaf as it was logged and its C2SP tlog-proof: whoever gets the table can check each row alone.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

from agents.log.entries import Entry
from schemas.errors import ConfigurationError
from security.proof import encode_tlog_proof

MEMBERS: Final = (
    "time", "kind", "outcome", "reason", "record", "message", "type", "source", "signer", "label", "model", "decision",
    "rules", "note", "linked", "actor", "basis", "count",
)  # fmt: skip
COLUMNS: Final = ("log", "index", *MEMBERS, "leaf", "proof")
_NUMBERS: Final = frozenset({"index", "count"})

Write = Callable[[str, Sequence[Entry]], None]
"""Takes a log's origin and some of its entries."""


def row_of(origin: str, entry: Entry) -> tuple[object, ...]:
    """The columns of one entry."""
    members = [getattr(entry.leaf, name) for name in MEMBERS]
    return (origin, entry.index, *members, entry.body.decode(), encode_tlog_proof(entry.proof).decode())


def writing_table(path: Path) -> AbstractContextManager[Write]:
    """Write a table; the ending of its name says which kind. It has its name once it is whole.

    Raises:
        ConfigurationError: Another ending, or pyarrow is missing.
    """
    if path.suffix == ".csv":
        return _writing_csv(path)
    if path.suffix == ".parquet":
        return _writing_parquet(path)
    raise ConfigurationError(f"{path.name} ends neither in .csv nor in .parquet; name one that does")


@contextmanager
def _writing_csv(path: Path) -> Iterator[Write]:
    with _whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\r\n")  # RFC 4180
        table.writerow(COLUMNS)
        yield lambda origin, entries: table.writerows([row_of(origin, entry) for entry in entries])


@contextmanager
def _writing_parquet(path: Path) -> Iterator[Write]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as exc:
        raise ConfigurationError(
            "Parquet needs the package pyarrow: install sealstream[parquet], or write .csv"
        ) from exc
    schema = pa.schema([(name, pa.int64() if name in _NUMBERS else pa.string()) for name in COLUMNS])
    with _whole(path) as part, pq.ParquetWriter(part, schema, compression="zstd") as table:

        def write(origin: str, entries: Sequence[Entry]) -> None:
            columns: list[Any] = list(zip(*(row_of(origin, entry) for entry in entries), strict=True))
            if columns:
                table.write_table(pa.table(dict(zip(COLUMNS, map(list, columns), strict=True)), schema=schema))

        yield write


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A name beside the one that is wanted, and that one at the end."""
    part = path.with_name(f"{path.name}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
