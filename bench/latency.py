"""`python -m bench.latency`: from append to durable commit, at shares of capacity and at one record a second."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Final

from bench.brokers import Broker
from bench.findings import Found, Table
from bench.harness import Run, RunPlan, check, measure, staged
from bench.parts import Options, Part, option, say
from bench.producer import Pace, publish_paced
from bench.publishing import LINGER_MS
from bench.records import Payload, SignedRecord
from bench.servers import Servers, fill, running_servers
from bench.stage import BenchError
from bench.variants import PIPELINE, VARIANTS, Variant
from streams.storage import progress

HALF: Final = "half of capacity"
EIGHTH: Final = "an eighth of it"
ONE: Final = "1 record a second"
NEW: Final = "1 record a second, at first"
WARM: Final = "warm-up"
_SHORT: Final = {HALF: "half", EIGHTH: "eighth", NEW: "one", WARM: "warm"}


@dataclass(frozen=True, slots=True)
class LatencyOptions(Options):
    """How much to measure."""

    rounds: int = option(3, "rounds at half and an eighth of capacity")
    capacity: float | None = option(None, "records a second that the pipeline can do; default: measured first")
    records: int = option(20_000, "records to measure that with")
    workers: int = option(2, "worker processes")
    seconds: int = option(15, "length of a round")
    warm_seconds: int = option(45, "length of a first round that does not count: a fresh broker compiles its code")
    slow_seconds: int = option(120, "length of the run at one record a second")
    new_seconds: int = option(60, "the same before it, while topic and workers are new: told beside it")
    variants: Sequence[str] = option((PIPELINE.name,), "others than this pipeline", choices=tuple(VARIANTS))


@dataclass(frozen=True, slots=True)
class Paced:
    """Latency of a variant, from the record's timestamp to the commit's.

    Attributes:
        records: As many.
        p50: Milliseconds.
        p99: Milliseconds.
        cpu: CPU seconds by kind of process.
        commits: As many.
    """

    pace_name: str
    variant: Variant
    records: int
    pace: Pace
    p50: float
    p99: float
    cpu: dict[str, float]
    commits: int


async def measure_latency(options: LatencyOptions) -> Found:
    """Measure this pipeline, and others where asked.

    Raises:
        SealstreamError: Something could not be started, stalled, or did not do all of its work.
    """
    async with running_servers() as servers, servers.broker(options.broker) as broker:
        capacity = options.capacity or await _capacity(options, servers, broker)
        half = capacity / 2
        longest = max(half * options.seconds, half * options.warm_seconds, options.new_seconds + options.slow_seconds)
        records = list(servers.records(int(longest)))
        warming = {WARM: records[: int(half * options.warm_seconds)]}
        await _paced(options, servers, broker, (PIPELINE.name, 0), warming, half)
        found = []
        for name in options.variants:
            for number in range(options.rounds):
                for pace, rate in ((HALF, half), (EIGHTH, capacity / 8)):
                    taken = {pace: records[: int(rate * options.seconds)]}
                    found += await _paced(options, servers, broker, (name, number), taken, rate)
            new, later = records[: options.new_seconds], records[options.new_seconds :][: options.slow_seconds]
            found += await _paced(options, servers, broker, (name, 0), {NEW: new, ONE: later}, 1)
        return _found(options, broker, capacity, found)


async def _capacity(options: LatencyOptions, servers: Servers, broker: Broker) -> float:
    """What this pipeline does with a backlog."""
    records = {Payload.BRIEF: list(servers.records(options.records))}
    feed = await fill(broker, servers.settings.partitions, records, {(Payload.BRIEF, options.records)})
    found = await measure(servers, feed, RunPlan(PIPELINE, options.workers, options.records), "capacity")
    say(f"capacity: {found.rate:,.0f} records/s")
    return found.rate


async def _paced(
    options: LatencyOptions,
    servers: Servers,
    broker: Broker,
    place: tuple[str, int],
    feeds: Mapping[str, Sequence[SignedRecord]],
    rate: float,
) -> list[Paced]:
    """Publish feeds evenly spaced to an empty topic, one after the other, while the variant works.

    Raises:
        BenchError: It stalled, a worker ended, or not every record has a result.
    """
    variant, number = place
    run = f"{variant}_{_SHORT[next(iter(feeds))]}_{number}"
    topic = run.replace("_", "-")
    await broker.create_topic(topic, servers.settings.partitions)
    found: list[Paced] = []
    plan = RunPlan(VARIANTS[variant], options.workers, sum(map(len, feeds.values())))
    async with staged(servers, broker, plan, topic, run) as running:
        published = commits = 0
        for name, records in feeds.items():
            since = dt.datetime.now(dt.UTC)
            used = running.stage.open()
            pace = await publish_paced(running.stage.directory, broker.bootstrap_servers, topic, records, rate)
            published += len(records)
            await running.stage.until(partial(_committed, running, published))
            cpu = running.stage.used_since(used)
            before, commits = commits, await check(running.connection, published)
            latency = await progress.latency_since(running.connection, since)
            if latency is None:
                raise BenchError("no message of the paced run was found")
            say(f"{plan.variant.title} at {pace.rate:,.1f}/s: p50 {latency.p50:.1f} ms, p99 {latency.p99:.1f} ms")
            found.append(Paced(name, plan.variant, len(records), pace, latency.p50, latency.p99, cpu, commits - before))
    return found


async def _committed(running: Run, count: int) -> bool:
    return await running.consumed() >= count


def _found(options: LatencyOptions, broker: Broker, capacity: float, found: Sequence[Paced]) -> Found:
    stamp = "append (LogAppendTime)" if broker.stamps_on_append else "the producer's send: this broker stamps no append"
    return Found(
        broker=broker.name,
        setting=[
            f"{options.workers} worker processes, sequencer and relay on; capacity {capacity:,.0f} records/s. The "
            f"producer is a process of its own (librdkafka, linger {LINGER_MS} ms) on the same machine.",
            f"From {stamp} to PostgreSQL's commit timestamp, which is taken before the commit is flushed to disk. "
            "Kafka's timestamps are whole milliseconds, rounded down.",
            f"The broker was warm: {options.warm_seconds} s at the same pace came first and do not count.",
            "At first: the same topic and workers while they are new. A worker's first record takes longer, and so "
            "does the one with which a new partition comes to 4 KB, "
            "which is when the broker writes to its index at first.",
        ],
        figures=_figures(found),
        tables=[_table(found)],
    )


def _figures(found: Sequence[Paced]) -> dict[str, float]:
    ours = [each for each in found if each.variant is PIPELINE]
    half, new, one = ([each for each in ours if each.pace_name is name] for name in (HALF, NEW, ONE))
    figures: dict[str, float] = {}
    if half:
        figures |= {"half_p50": median(each.p50 for each in half), "half_p99": median(each.p99 for each in half)}
    if one:
        figures |= {"new_p99": new[0].p99, "one_p50": one[0].p50, "one_p99": one[0].p99}
    return figures


def _table(found: Sequence[Paced]) -> Table:
    rows = [
        (
            f"{each.variant.title}, {each.pace_name}",
            f"{each.records:,}",
            f"{each.pace.rate:,.1f}",
            f"{each.p50:.1f}",
            f"{each.p99:.1f}",
            f"{each.records / each.commits:.1f}",
            f"{each.pace.cpu_share:.0%}",
            *(f"{each.cpu[kind] / each.pace.seconds:.0%}" for kind in ("workers", "relay", "postgres", "broker")),
        )
        for each in found
    ]
    cpu = ("producer CPU", "workers", "relay", "postgres", "broker")
    columns = ("", "records", "records/s", "p50 ms", "p99 ms", "records a commit", *cpu)
    return Table("Append to commit, round by round", columns, rows, ["CPU is a share of one core."])


PART = Part(
    name="latency",
    what=__doc__,
    measure=measure_latency,
    full=LatencyOptions(),
    quick=LatencyOptions(rounds=1, records=3_000, seconds=3, warm_seconds=1, slow_seconds=5, new_seconds=2),
)

if __name__ == "__main__":
    PART.main()
