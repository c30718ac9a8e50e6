"""`python -m bench.backlog`: a long backlog by this pipeline: whether the last tenth is as fast, and memory flat."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.brokers import Broker
from bench.cpu import Kinds
from bench.findings import Found, LineChart, Table
from bench.harness import Run, RunPlan, check, staged, unpublished
from bench.memory import Sample, sampled
from bench.parts import Options, Part, option, say
from bench.publishing import publish
from bench.servers import running_servers
from bench.variants import PIPELINE
from streams.storage.database import Connection

TENTHS: Final = 10
TOPIC: Final = "backlog"
SLOWEST: Final = 100
"""Records a second below which the run gives up."""


@dataclass(frozen=True, slots=True)
class BacklogOptions(Options):
    """How much to measure."""

    records: int = option(200_000, "records of the backlog; the aim is stated for 1000000")
    workers: int = option(2, "worker processes")
    every: float = option(1.0, "seconds between looks at the workers' memory")


async def measure_backlog(options: BacklogOptions) -> Found:
    """Work a backlog off.

    Raises:
        SealstreamError: Something could not be started, stalled, or did not do all of its work.
    """
    async with running_servers() as servers, servers.broker(options.broker) as broker:
        say(f"signing and publishing {options.records:,} records")
        await broker.create_topic(TOPIC, servers.settings.partitions)
        await publish(broker.bootstrap_servers, TOPIC, servers.records(options.records))
        plan = RunPlan(PIPELINE, options.workers, options.records)
        async with staged(servers, broker, plan, TOPIC, TOPIC) as running:
            return await _work_off(options, broker, running)


async def _work_off(options: BacklogOptions, broker: Broker, running: Run) -> Found:
    stage, at = running.stage, 0

    async def committed() -> bool:
        nonlocal at
        at = await running.consumed()
        return at >= options.records

    async def published() -> bool:
        return not await unpublished(running.connection)

    processes = [pid for pids in stage.kinds.values() for pid in pids]
    async with sampled(processes, options.every, lambda: at) as samples:
        started = dt.datetime.now(dt.UTC)
        stage.open()
        await stage.until(committed, options.records / SLOWEST)
    await stage.until(published, options.records / SLOWEST)
    await check(running.connection, options.records)
    rates = tenths(await _commits(running.connection), started, options.records)
    return _found(options, broker, rates, samples.taken, stage.kinds)


def tenths(commits: Sequence[tuple[dt.datetime, int]], started: dt.datetime, records: int) -> list[float]:
    """Records a second of each tenth of a backlog.

    Args:
        commits: When each was made, in order, and how many records it holds.
        started: When the first tenth began.
        records: Of the whole backlog.
    """
    rates: list[float] = []
    since, before, done = started, 0, 0
    for at, count in commits:
        done += count
        if done * TENTHS >= records * (len(rates) + 1):  # a commit that ends beyond the boundary belongs to this tenth
            rates.append((done - before) / max(1e-3, (at - since).total_seconds()))
            since, before = at, done
    return rates


async def _commits(connection: Connection) -> list[tuple[dt.datetime, int]]:
    rows = await connection.fetch("SELECT created_at, leaf_count FROM commits ORDER BY created_at, commit_id")
    return [(row["created_at"], row["leaf_count"]) for row in rows]


def memory_after(samples: Sequence[Sample], pids: Sequence[int], records: int) -> float:
    """Megabytes of the largest of these processes when so many records had been done."""
    sample = next((each for each in samples if each.at >= records), samples[-1])
    return max(sample.megabytes.get(pid, 0) for pid in pids)


def _found(
    options: BacklogOptions, broker: Broker, rates: Sequence[float], samples: Sequence[Sample], kinds: Kinds
) -> Found:
    workers, records = kinds["workers"], options.records
    memory = [memory_after(samples, workers, records * tenth // TENTHS) for tenth in range(1, TENTHS + 1)]
    rows = [
        (str(number), f"{rate:,.0f}", f"{megabytes:.0f}")
        for number, (rate, megabytes) in enumerate(zip(rates, memory, strict=False), start=1)
    ]
    over_time = {
        kind: [(each.seconds, max(each.megabytes.get(pid, 0) for pid in pids)) for each in samples]
        for kind, pids in kinds.items()
        if kind != "postgres"  # its backends share memory, which each one's RSS counts again
    }
    return Found(
        broker=broker.name,
        setting=[
            f"{records:,} records, all in the topic beforehand; {options.workers} worker processes, relay on. A tenth "
            "is measured by the timestamps of its commits. RSS: the larger of the workers."
        ],
        figures={
            "last/first": rates[-1] / rates[0],
            "rss": max(value for _, value in over_time["workers"]),
            "rss_growth": memory[-1] / memory[1],
        },
        tables=[Table("A long backlog, tenth by tenth", ("tenth", "records/s", "RSS at its end, MB"), rows)],
        charts=[
            LineChart("A long backlog", "tenth", "records/s", {"records/s": list(enumerate(rates, start=1))}),
            LineChart("Resident memory meanwhile", "s", "MB", over_time),
        ],
    )


PART = Part(
    name="backlog",
    what=__doc__,
    measure=measure_backlog,
    full=BacklogOptions(),
    quick=BacklogOptions(records=5_000, every=0.2),
)

if __name__ == "__main__":
    PART.main()
