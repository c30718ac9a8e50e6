"""What bends as the database grows: each cost at each size, and those that grew more than they should."""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

from bench.findings import Found, LineChart, Table
from bench.growth import TOO_LONG_MS, Look
from bench.questions import QUESTIONS, WHOLE_LOG

MILLION: Final = 1_000_000

UNNOTICED: Final = 1.0
"""Milliseconds, or microseconds a record, below which a growth is not worth a word."""

SMALL_BYTES: Final = 5
"""Bytes a record below which a table is not listed."""

BENT: Final = 2.0
"""A cost that grew by more than this, from the smallest size to the largest, is said to bend."""


def summary(look: Look) -> str:
    """A line for whoever waits."""
    cost = f"{look.filled.client_microseconds:.0f} µs client, {look.server_microseconds:.0f} µs server a record"
    return f"{look.label} records: {cost}"


def findings_of(looks: Sequence[Look], setting: str) -> Found:
    """Tables of what was seen at each size, and by how many times what bends has grown."""
    columns = ("", *(look.label for look in looks))
    costs = _costs(looks)
    grown = bent(looks, costs)
    large = [name for name, size in looks[-1].bytes.items() if size > SMALL_BYTES * looks[-1].records]
    return Found(
        broker="no broker",
        setting=[setting],
        figures={f"bend: {name}": ratios[-1] for name, ratios in grown.items() if ratios[-1] < math.inf},
        tables=[
            Table("Costs; questions in milliseconds", columns, [(each, *map(_shown, costs[each])) for each in costs]),
            Table(
                f"What bends: grew more than {BENT:g} times since {looks[0].label}; what reads a whole log, more than "
                "that beyond its growth",
                ("", *(look.label for look in looks[1:])),
                [(name, *(f"x {ratio:,.1f}" for ratio in ratios)) for name, ratios in grown.items()],
            ),
            Table(
                "Bytes a record on disk, with indexes",
                columns,
                [(name, *(f"{look.bytes.get(name, 0) / look.records:,.0f}" for look in looks)) for name in large],
            ),
        ],
        charts=[_chart(looks)] if len(looks) > 1 else [],
    )


def bent(looks: Sequence[Look], costs: Mapping[str, Sequence[float | None]]) -> dict[str, list[float]]:
    """What grew too much at any size: by how many times since the smallest, the worst first; infinity for too long."""
    found = {}
    for name, (first, *others) in costs.items():
        ratios = [math.inf if value is None else value / (first or 1) for value in others]
        allowed = [BENT * (look.records / looks[0].records if name in WHOLE_LOG else 1) for look in looks[1:]]
        noticed = [value is None or value > UNNOTICED for value in others]
        if any(ratio > limit and seen for ratio, limit, seen in zip(ratios, allowed, noticed, strict=True)):
            found[name] = ratios
    return dict(sorted(found.items(), key=lambda each: -each[1][-1]))


def _costs(looks: Sequence[Look]) -> dict[str, list[float | None]]:
    costs: dict[str, list[float | None]] = {
        "commit: client CPU µs a record": [look.filled.client_microseconds for look in looks],
        "commit: server CPU µs a record": [look.server_microseconds for look in looks],
        "commit: ms, median": [median(look.filled.milliseconds) for look in looks],
        "sequencing: CPU µs a leaf": [look.sequencing_microseconds for look in looks],
    }
    return costs | {name: [look.answers[name] for look in looks] for name, _ in QUESTIONS}


def _shown(value: float | None) -> str:
    if value is None:
        return f"> {TOO_LONG_MS / 1000:.0f} s"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}" if value < 1 else f"{value:.1f}"


def _chart(looks: Sequence[Look]) -> LineChart:
    client = [(look.records / MILLION, look.filled.client_microseconds) for look in looks]
    server = [(look.records / MILLION, look.server_microseconds) for look in looks]
    return LineChart("Cost of committing a record", "million records", "CPU µs", {"client": client, "server": server})
