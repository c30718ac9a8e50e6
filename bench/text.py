"""Findings as a terminal shows them."""

from collections.abc import Iterator, Sequence
from typing import Final

from bench.aims import verdicts
from bench.findings import Findings, Table

SENTENCE: Final = 60
"""Characters from which a cell is no number."""


def lines(found: Findings) -> Iterator[str]:
    """One part."""
    yield f"== {found.part}: {found.broker}; took {found.seconds:.0f} s"
    yield found.machine.line()
    yield from found.setting
    for table in found.tables:
        yield ""
        yield from table_lines(table)


def aim_lines(parts: Sequence[Findings]) -> Iterator[str]:
    """The figures that have an aim, with the aim beside each."""
    rows = [verdict.cells() for verdict in verdicts({found.part: found.figures for found in parts})]
    if rows:
        yield from table_lines(Table("Aims", ("figure", "measured", "aim", "met"), rows))


def table_lines(table: Table) -> Iterator[str]:
    """A table; its first column to the left, numbers to the right, sentences as they are."""
    yield table.title
    widths = [max(map(len, column)) for column in zip(table.columns, *table.rows, strict=True)]
    for row in (table.columns, *table.rows):
        first, *others = row
        cells = [
            f"{text:>{width}}" if width < SENTENCE else text for text, width in zip(others, widths[1:], strict=True)
        ]
        yield "  ".join([f"  {first:{widths[0]}}", *cells]).rstrip()
    yield from (f"  {note}" for note in table.notes)
