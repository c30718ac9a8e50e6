"""What one part of the benchmark found: figures, tables and charts, kept as JSON beside the code.

How they are shown is `bench.text` (a terminal) and `bench.document` (docs/performance.md); what they should be is
`bench.aims`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from bench.machine import Machine, this_machine

KEPT: Final = Path(__file__).parent / "kept"
"""One file for each part: what its last full run found."""


class Table(msgspec.Struct, frozen=True):
    """Rows of texts; the first column names what the others are about."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


class Bar(msgspec.Struct, frozen=True):
    """A value with the range it was found in."""

    label: str
    value: float
    low: float
    high: float


class BarChart(msgspec.Struct, frozen=True, tag="bars"):
    """Bars from zero, one below the other."""

    title: str
    unit: str
    bars: Sequence[Bar]


class LineChart(msgspec.Struct, frozen=True, tag="lines"):
    """Lines over a common axis.

    Attributes:
        lines: Label to (x, y) pairs.
    """

    title: str
    x_unit: str
    y_unit: str
    lines: Mapping[str, Sequence[tuple[float, float]]]


Chart = BarChart | LineChart


class Findings(msgspec.Struct, frozen=True):
    """Everything a part found in one run.

    Attributes:
        part: Its name, as in `python -m bench.<part>`.
        command: What to type to have it measured again.
        broker: Name and version.
        setting: What a reader has to know of how it was measured, a sentence each.
        figures: What `bench.aims` knows by name.
    """

    part: str
    command: str
    machine: Machine
    broker: str
    seconds: float
    setting: Sequence[str]
    figures: Mapping[str, float]
    tables: Sequence[Table]
    charts: Sequence[Chart] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What a part hands over; `findings` adds where and when."""

    broker: str
    setting: Sequence[str]
    figures: Mapping[str, float]
    tables: Sequence[Table]
    charts: Sequence[Chart] = ()


def findings(part: str, command: str, seconds: float, found: Found) -> Findings:
    """Findings of a run that ended now, on this machine."""
    return Findings(
        part=part,
        command=command,
        machine=this_machine(),
        broker=found.broker,
        seconds=round(seconds, 1),
        setting=found.setting,
        figures=found.figures,
        tables=found.tables,
        charts=found.charts,
    )


def keep(found: Findings, directory: Path = KEPT) -> Path:
    """Keep the findings in place of the part's earlier ones."""
    path = directory / f"{found.part}.json"
    directory.mkdir(exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    return path


def kept(part: str, directory: Path = KEPT) -> Findings | None:
    """What was kept of a part; None when it never ran."""
    path = directory / f"{part}.json"
    return msgspec.json.decode(path.read_bytes(), type=Findings) if path.exists() else None
