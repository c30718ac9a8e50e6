"""Readers side by side: rates of a backlog, delays at a steady pace, and how frames compare."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.findings import Bar, BarChart, Table
from bench.producer import Pace
from bench.readers import AIOKAFKA, FRAMES, QUIX, READERS, STOCK_FAUST, Reader

SIGNED: Final = "signed"
BARE: Final = "bare"
KINDS: Final = (SIGNED, BARE)


@dataclass(frozen=True, slots=True)
class Read:
    """One reader's backlog.

    Attributes:
        rate: Records a second.
        cpu_microseconds: Of the reader, for each record.
    """

    reader: Reader
    kind: str
    records: int
    rate: float
    cpu_microseconds: float


@dataclass(frozen=True, slots=True)
class Delayed:
    """One reader's paced run, delays in milliseconds from append to agent.

    Attributes:
        cpu_share: The reader's, of one core.
    """

    reader: Reader
    p50: float
    p99: float
    cpu_share: float
    pace: Pace


def figures(backlogs: Sequence[Read], delays: Sequence[Delayed]) -> dict[str, float]:
    """Frames over the others; p99 over raw aiokafka's."""
    found = {}
    for name, other in (("faust", STOCK_FAUST), ("quix", QUIX), ("aiokafka", AIOKAFKA)):
        for kind, words in ((SIGNED, ""), (BARE, " bare")):
            ratio = _ratio(_rates(backlogs, FRAMES, kind), _rates(backlogs, other, kind))
            if ratio is not None:
                found[f"frames/{name}{words}"] = ratio
    ours, raw = ([each.p99 for each in delays if each.reader is reader] for reader in (FRAMES, AIOKAFKA))
    ratio = _ratio(ours, raw)
    return found if ratio is None else found | {"frames_p99/aiokafka_p99": ratio}


def _rates(backlogs: Sequence[Read], reader: Reader, kind: str) -> list[float]:
    return [each.rate for each in backlogs if each.reader is reader and each.kind == kind]


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """The median over the rounds."""
    pairs = list(zip(ours, theirs, strict=False))
    return median(a / b for a, b in pairs) if pairs else None


def backlog_table(backlogs: Sequence[Read]) -> Table:
    """A row for each reader and kind of record."""
    by_run: dict[tuple[str, str], list[Read]] = {}
    for each in backlogs:
        by_run.setdefault((each.reader.name, each.kind), []).append(each)
    rows = []
    for (name, kind), runs in by_run.items():
        rates = [each.rate for each in runs]
        over = _ratio(_rates(backlogs, FRAMES, kind), rates) if name != FRAMES.name else None
        rows.append(
            (
                f"{READERS[name].title}, {kind}",
                f"{runs[0].records:,}",
                f"{median(rates):,.0f}",
                f"{min(rates):,.0f} - {max(rates):,.0f}",
                f"{median(each.cpu_microseconds for each in runs):.1f}",
                f"{over:.2f}" if over else "",
            )
        )
    columns = ("", "records", "records/s, median", "range", "reader CPU µs a record", "frames over it")
    return Table("Transport alone: a backlog", columns, rows)


def paced_table(delays: Sequence[Delayed]) -> Table:
    """A row for each reader."""
    by_reader: dict[str, list[Delayed]] = {}
    for each in delays:
        by_reader.setdefault(each.reader.name, []).append(each)
    rows = []
    for name, runs in by_reader.items():
        p99 = [each.p99 for each in runs]
        rows.append(
            (
                READERS[name].title,
                f"{median(each.pace.rate for each in runs):,.0f}",
                f"{median(each.p50 for each in runs):.1f}",
                f"{median(p99):.1f}",
                f"{min(p99):.1f} - {max(p99):.1f}",
                f"{median(each.cpu_share for each in runs):.0%}",
                f"{median(each.pace.cpu_share for each in runs):.0%}",
            )
        )
    columns = ("", "records/s", "p50 ms", "p99 ms", "range of p99", "reader CPU", "producer CPU")
    return Table("Transport alone: at a steady pace", columns, rows)


def chart(backlogs: Sequence[Read]) -> BarChart:
    """A bar for each reader, signed records."""
    bars = []
    for reader in READERS.values():
        rates = _rates(backlogs, reader, SIGNED)
        if rates:
            bars.append(Bar(reader.title, median(rates), min(rates), max(rates)))
    return BarChart("Transport alone: fetch to agent", "records/s", bars)
