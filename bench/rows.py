"""`python -m bench.rows`: what bends first as the tables grow: commits, searches, what sequencer and auditor read."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.bending import findings_of, summary
from bench.findings import Found
from bench.growth import Look, growing_database
from bench.parts import Options, Part, option, say
from bench.servers import Servers, running_servers
from bench.stage import BenchError

RESERVE_BYTES: Final = 10 << 30
"""Disk that must stay free."""


@dataclass(frozen=True, slots=True)
class RowOptions(Options):
    """How much to measure."""

    sizes: Sequence[int] = option((100_000, 1_000_000, 10_000_000), "records at which to look")
    commit: int = option(1_000, "records a commit")


async def measure_rows(options: RowOptions) -> Found:
    """Fill a database and look at it at each size.

    Raises:
        SealstreamError: Something could not be started, or the disk is too small for the next size.
    """
    looks: list[Look] = []
    async with running_servers() as servers, growing_database(servers, "rows", options.commit) as growing:
        for size in sorted(options.sizes):
            _need_room(servers, looks, size)
            looks.append(await growing.look(size))
            say(summary(looks[-1]))
        memory = await growing.shared_buffers()
    return findings_of(
        looks,
        f"A database filled by the product's own commits of {options.commit:,} records, two under way; records are "
        "copies of processed ones under new ids, with blind terms as varied as real ones. PostgreSQL with "
        f"shared_buffers of {memory}, everything else from the page cache as far as it reaches.",
    )


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


PART = Part(
    name="rows",
    what=__doc__,
    measure=measure_rows,
    full=RowOptions(),
    quick=RowOptions(sizes=(2_000, 10_000), commit=20),
)

if __name__ == "__main__":
    PART.main()
