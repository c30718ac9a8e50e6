"""`python -m bench.rows`: what bends first as the tables grow: commits, searches, what sequencer and auditor read."""

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.filling import Filler, processed_frame
from bench.findings import Found, LineChart, Table
from bench.growth import LAST_COMMITS, TOO_LONG_MS, GrowingDatabase, Look
from bench.intake import open_intake
from bench.parts import Options, Part, option, say
from bench.questions import QUESTIONS, WHOLE_LOG
from bench.servers import Servers, running_servers
from bench.stage import BenchError
from streams.storage.database import Database
from streams.storage.ids import IdBlock

RUN: Final = "rows"
MILLION: Final = 1_000_000
RESERVE_BYTES: Final = 10 << 30
"""Disk that must stay free."""

UNNOTICED: Final = 1.0
"""Milliseconds, or microseconds a record, below which a growth is not worth a word."""

SMALL_BYTES: Final = 5
"""Bytes a record below which a table is not listed."""

BENT: Final = 2.0
"""A cost that grew by more than this, from the smallest size to the largest, is said to bend."""


@dataclass(frozen=True, slots=True)
class RowOptions(Options):
    """How much to measure."""

    sizes: Sequence[int] = option((100_000, 1_000_000, 10_000_000), "records at which to look")
    commit: int = option(1_000, "records a commit")
    claims: int = option(0, "then add so many ids and blind terms, in millions, and look again; without their records")


async def measure_rows(options: RowOptions) -> Found:
    """Fill a database and look at it at each size.

    Raises:
        SealstreamError: Something could not be started, or the disk is too small for the next size.
    """
    looks: list[Look] = []
    async with running_servers() as servers, servers.database(RUN) as dsn, Database(dsn, name="rows") as database:
        intake = await open_intake(database, servers.settings, group=RUN, cluster=RUN)
        frame = await processed_frame(intake, list(servers.records(options.commit)))
        filler = Filler(intake, IdBlock(database, "pass_ids"), frame)
        growing = GrowingDatabase(servers, database, intake, filler, RUN)
        for size in sorted(options.sizes):
            _need_room(servers, looks, size)
            looks.append(await growing.look(size))
            say(_line(looks[-1]))
        if options.claims:
            say(f"adding {options.claims} million ids and terms")
            await growing.add_claims(options.claims * MILLION)
            label = f"{growing.records / MILLION:g} million and {options.claims} million claims"
            looks.append(await growing.look(growing.records + LAST_COMMITS * options.commit, label))
            say(_line(looks[-1]))
        memory = await _memory(database)
    return _found(options, looks, memory)


def _line(look: Look) -> str:
    cost = f"{look.filled.client_microseconds:.0f} µs client, {look.server_microseconds:.0f} µs server a record"
    return f"{look.label} records: {cost}"


def _need_room(servers: Servers, looks: Sequence[Look], size: int) -> None:
    if not looks:
        return
    each = sum(looks[-1].bytes.values()) / looks[-1].records
    free = shutil.disk_usage(servers.directory).free - RESERVE_BYTES
    wanted = each * (size - looks[-1].records)
    if wanted > free:
        raise BenchError(
            f"{size:,} records need {wanted / 1e9:.0f} GB more ({each:,.0f} bytes a record), and {free / 1e9:.0f} GB "
            "are free; leave that size out"
        )


async def _memory(database: Database) -> str:
    async with database.session() as connection:
        return str(await connection.fetchval("SHOW shared_buffers"))


def _found(options: RowOptions, looks: Sequence[Look], buffers: str) -> Found:
    columns = ("", *(look.label for look in looks))
    costs = _costs(looks)
    grown = bent(looks, costs)
    large = [name for name, size in looks[-1].bytes.items() if size > SMALL_BYTES * looks[-1].records]
    return Found(
        broker="no broker",
        setting=[
            f"A database filled by the product's own commits of {options.commit:,} records, two under way; records are "
            "copies of processed ones under new ids, with blind terms as varied as real ones. PostgreSQL with "
            f"shared_buffers of {buffers}, everything else from the page cache as far as it reaches.",
        ],
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


PART = Part(
    name="rows",
    what=__doc__,
    measure=measure_rows,
    full=RowOptions(),
    quick=RowOptions(sizes=(2_000, 10_000), commit=20),
)

if __name__ == "__main__":
    PART.main()
