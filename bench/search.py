"""`python -m bench.search`: exact searches by blind term, over records that the product's own commits brought.

The query is the one that `records search` sends, with terms of records picked at random; making the term is in it too.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.filling import UNIQUE, Filler, processed_frame
from bench.findings import Found, Table
from bench.intake import open_intake
from bench.parts import Options, Part, option, say
from bench.servers import TENANT, running_servers
from schemas.catalogue import SearchKind
from security.blind_terms import BlindIndex
from security.key_provider import KeyProvider
from streams.storage import reading
from streams.storage.database import Connection, Database
from streams.storage.ids import IdBlock

RUN: Final = "search"
LIMIT: Final = 20
COMMIT: Final = 1_000
WARM_UP: Final = 50
SHARED: Final = "account"
(ALONE,) = UNIQUE
ABSENT: Final = "a value that no record has"
Terms = Sequence[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class SearchOptions(Options):
    """How much to measure."""

    records: int = option(1_000_000, "records to search in")
    queries: int = option(1_000, "searches of each kind")


@dataclass(frozen=True, slots=True)
class Kind:
    """Searches of one kind: the field, and the log and terms of each."""

    name: str
    what: str
    field: str
    searches: Sequence[Terms]


async def measure_search(options: SearchOptions) -> Found:
    """Fill a database and search in it.

    Raises:
        SealstreamError: Something could not be started.
    """
    async with running_servers() as servers, servers.database(RUN) as dsn, Database(dsn, name=RUN) as database:
        intake = await open_intake(database, servers.settings, group=RUN, cluster=RUN)
        frame = await processed_frame(intake, list(servers.records(min(COMMIT, options.records))))
        say(f"committing {options.records:,} records")
        filled = await Filler(intake, IdBlock(database, "pass_ids"), frame).fill(options.records)
        async with database.session() as connection:
            await connection.execute("ANALYZE")  # as autovacuum would have, by now
            found = {
                kind.name: (kind, await _milliseconds(connection, intake.identity.keyring, kind))
                for kind in await _kinds(connection, options.queries)
            }
            size = await connection.fetchval("SELECT pg_total_relation_size('terms') / $1::float8", filled.records)
    return _found(filled.records, options.queries, size, found)


async def _kinds(connection: Connection, queries: int) -> list[Kind]:
    alone, shared = await _stored(connection, ALONE, queries), await _stored(connection, SHARED, queries)
    other = [term for _, term in await _stored(connection, SHARED, queries)]
    both = [((log, term), (log, b)) for (log, term), b in zip(alone, other, strict=True)]
    return [
        Kind("one", "a value that one record has", ALONE, [(each,) for each in alone]),
        Kind("shared", f"a value that many share, newest {LIMIT}", SHARED, [(each,) for each in shared]),
        Kind("rotating", "… one record, by two keys while one is rotated", ALONE, both),
        Kind("none", ABSENT, ALONE, [((log, bytes(8)),) for log, _ in alone]),
    ]


async def _stored(connection: Connection, field: str, count: int) -> list[tuple[int, bytes]]:
    """Terms of records picked at random."""
    rows = await connection.fetch(
        "SELECT log_id, token FROM terms WHERE field = $1 ORDER BY random() LIMIT $2", field, count, timeout=None
    )
    return [(row["log_id"], row["token"]) for row in rows]


async def _milliseconds(connection: Connection, provider: KeyProvider, kind: Kind) -> list[float]:
    """Of each search, in order of time."""
    blind, took = BlindIndex(provider), []
    for number, terms in enumerate([*kind.searches[:WARM_UP], *kind.searches]):
        started = time.perf_counter()
        blind.term(TENANT, kind.field, SearchKind.REFERENCE, f"reference {number}")
        await reading.search_results(connection, kind.field, terms, LIMIT)
        took.append((time.perf_counter() - started) * 1000)
    return sorted(took[min(WARM_UP, len(kind.searches)) :])


def percentile(ordered: Sequence[float], share: float) -> float:
    """The least value that so large a share of all is not above (nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _found(records: int, queries: int, size: float, found: dict[str, tuple[Kind, list[float]]]) -> Found:
    rows, figures = [], {"records": float(records), "bytes a record": size}
    for name, (kind, took) in found.items():
        figures |= {f"{name}_p50": median(took), f"{name}_p99": percentile(took, 0.99)}
        rows.append((kind.what, f"{median(took):.2f}", f"{percentile(took, 0.99):.2f}", f"{took[-1]:.2f}"))
    return Found(
        broker="no broker",
        setting=[
            f"{records:,} records, committed by the product's own code ({COMMIT:,} a commit); {queries:,} searches of "
            f"each kind after {WARM_UP} to warm up, one at a time, over one connection to PostgreSQL on this machine. "
            f"Table `terms` with its index: {size:.0f} bytes a record. Opening what was found is not in it."
        ],
        figures=figures,
        tables=[Table("Exact search by blind term, ms", ("", "median", "p99", "worst"), rows)],
    )


PART = Part(
    name="search",
    what=__doc__,
    measure=measure_search,
    full=SearchOptions(),
    quick=SearchOptions(records=10_000, queries=100),
)

if __name__ == "__main__":
    PART.main()
