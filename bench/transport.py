"""`python -m bench.transport`: from fetch to agent and nothing more: a backlog, and delays at a steady pace."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from statistics import quantiles
from typing import Final

from bench.brokers import Broker
from bench.findings import Found
from bench.parts import Options, Part, option, say
from bench.processes import variant_workers
from bench.producer import publish_paced
from bench.publishing import publish
from bench.readers import READERS, Reader
from bench.readers.probe import Reading, instruct, reading
from bench.records import SignedRecord, payloads, signed_records
from bench.servers import Servers, running_servers
from bench.stage import Stage
from bench.transport_tables import BARE, SIGNED, Delayed, Read, backlog_table, chart, figures, paced_table

PARTITIONS: Final = 8
DIFFERENT: Final = 20_000
"""So many records are signed; longer backlogs repeat them, which a transport does not notice."""


@dataclass(frozen=True, slots=True)
class TransportOptions(Options):
    """How much to measure."""

    rounds: int = option(3, "rounds, interleaved")
    records: int = option(400_000, "records of the backlog")
    few: int = option(40_000, "of it, for stock Faust")
    rate: int = option(5_000, "records a second of the paced run")
    paced_seconds: int = option(10, "its length")
    warm_seconds: int = option(2, "length of its beginning, which does not count")
    readers: Sequence[str] = option(tuple(READERS), "only these", choices=tuple(READERS))
    kinds: Sequence[str] = option(
        (SIGNED, BARE), "signed: with headers; bare: the payload alone", choices=(SIGNED, BARE)
    )


async def measure_transport(options: TransportOptions) -> Found:
    """Measure every reader.

    Raises:
        SealstreamError: Something could not be started, or a reader did not get all records.
    """
    readers = [READERS[name] for name in options.readers]
    backlogs: list[Read] = []
    delays: list[Delayed] = []
    async with running_servers() as servers, servers.broker(options.broker) as broker:
        feeds = _records(options, servers)
        topics = await _fill(options, broker, feeds)
        for number in range(options.rounds):
            for reader in readers[:: -1 if number % 2 else 1]:
                for kind in options.kinds:
                    records = options.few if reader.few else options.records
                    run = f"{reader.name}_{kind}_{number}"
                    read = await _backlog(servers, broker, reader, kind, topics[kind, records], records, run)
                    backlogs.append(read)
                    say(f"{reader.title}, {kind}: {read.rate:,.0f} records/s")
                delays.append(
                    await _paced(options, servers, broker, reader, feeds[BARE], f"paced_{reader.name}_{number}")
                )
                say(f"{reader.title} at {options.rate:,}/s: p50 {delays[-1].p50:.1f} ms, p99 {delays[-1].p99:.1f} ms")
        return Found(
            broker=broker.name,
            setting=_setting(options, broker, feeds),
            figures=figures(backlogs, delays),
            tables=[backlog_table(backlogs), paced_table(delays)],
            charts=[chart(backlogs)],
        )


def _records(options: TransportOptions, servers: Servers) -> Mapping[str, Sequence[SignedRecord]]:
    count = min(DIFFERENT, max(options.records, options.few))
    bare = [SignedRecord([], item.data, item.id.encode()) for item in payloads(count)]
    return {SIGNED: list(signed_records(count, servers.signer)) if SIGNED in options.kinds else [], BARE: bare}


async def _fill(
    options: TransportOptions, broker: Broker, feeds: Mapping[str, Sequence[SignedRecord]]
) -> Mapping[tuple[str, int], str]:
    topics = {(kind, size): f"{kind}-{size}" for kind in options.kinds for size in (options.records, options.few)}
    await broker.create_topics(topics.values(), PARTITIONS)
    for (kind, size), topic in topics.items():
        await publish(broker.bootstrap_servers, topic, islice(cycle(feeds[kind]), size))
    return topics


async def _backlog(
    servers: Servers, broker: Broker, reader: Reader, kind: str, topic: str, records: int, run: str
) -> Read:
    async with _reader(servers, broker, reader, topic, records, run) as stage:
        started, used = time.time(), stage.open()
        found = await _reading(stage)
        cpu = stage.used_since(used)["workers"]
    return Read(reader, kind, records, records / (found.finished_at - started), cpu / records * 1e6)


async def _paced(
    options: TransportOptions, servers: Servers, broker: Broker, reader: Reader, bare: Sequence[SignedRecord], run: str
) -> Delayed:
    topic, warming = run.replace("_", "-"), options.rate * options.warm_seconds
    count = warming + options.rate * options.paced_seconds
    await broker.create_topic(topic, PARTITIONS)
    records = list(islice(cycle(bare), count))
    async with _reader(servers, broker, reader, topic, count, run, warming=warming) as stage:
        used = stage.open()
        pace = await publish_paced(stage.directory, broker.bootstrap_servers, topic, records, options.rate)
        found = await _reading(stage)
        cpu = stage.used_since(used)["workers"]
    cuts = quantiles(found.delays, n=100)
    return Delayed(reader, cuts[49], cuts[98], cpu / pace.seconds, pace)


@asynccontextmanager
async def _reader(
    servers: Servers, broker: Broker, reader: Reader, topic: str, records: int, run: str, *, warming: int | None = None
) -> AsyncIterator[Stage]:
    directory = servers.directory / run
    directory.mkdir(mode=0o700)
    instruct(directory, records, warming=warming)
    settings = broker.settings(servers.settings).model_copy(update={"group": run, "topics_in": (topic,)})
    async with variant_workers(settings, reader.module, 1, directory) as workers:
        stage = Stage(settings, directory, workers, {"workers": [each.process.pid for each in workers]})
        await stage.joined(1, PARTITIONS)
        yield stage


async def _reading(stage: Stage) -> Reading:
    async def told() -> bool:
        return reading(stage.directory) is not None

    await stage.until(told)
    found = reading(stage.directory)
    assert found is not None
    return found


def _setting(options: TransportOptions, broker: Broker, feeds: Mapping[str, Sequence[SignedRecord]]) -> list[str]:
    stamp = "append" if broker.stamps_on_append else "the producer's send, since this broker stamps no append"
    sizes = {
        kind: sum(len(each.value) + sum(len(text) for _, text in each.headers) for each in records) / len(records)
        for kind, records in feeds.items()
        if records
    }
    return [
        f"One reading process, {PARTITIONS} partitions, nothing done with a record. "
        + " ".join(f"A {kind} record has {size:,.0f} bytes." for kind, size in sizes.items()),
        f"Delays: from {stamp} to the agent, bare records; timestamps are whole milliseconds, rounded down. The first "
        f"{options.warm_seconds} s of a paced run do not count: a reader that begins finds out its positions, and the "
        "records of a new topic wait for that.",
        *(f"{READERS[name].title}: {READERS[name].how}." for name in options.readers),
    ]


PART = Part(
    name="transport",
    what=__doc__,
    measure=measure_transport,
    full=TransportOptions(),
    quick=TransportOptions(rounds=1, records=40_000, few=5_000, rate=1_000, paced_seconds=3, warm_seconds=1),
)

if __name__ == "__main__":
    PART.main()
