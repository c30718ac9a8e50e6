"""`python -m bench.throughput`: every variant on the same backlog, in interleaved rounds; rates and their ratios."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.comparison import figures, rows, speed_chart, tables
from bench.findings import Found
from bench.harness import Measurement, RunPlan, measure
from bench.parts import Options, Part, option, say
from bench.records import BATCH, Payload, SignedRecord
from bench.servers import Feed, Servers, fill, running_servers
from bench.variants import PIPELINE, PLAIN, REFERENCE, VARIANTS


@dataclass(frozen=True, slots=True)
class ThroughputOptions(Options):
    """How much to measure."""

    rounds: int = option(3, "rounds, interleaved")
    warming: int = option(3, "runs before them that are not counted")
    records: int = option(40_000, "records for the fast variants with the most processes; fewer get their share")
    few: int = option(1_200, "likewise, for Faust as documented")
    variants: Sequence[str] = option(tuple(VARIANTS), "only these", choices=tuple(VARIANTS))
    workers: Sequence[int] = option((1, 2), "numbers of worker processes")
    payloads: Sequence[Payload] = option(tuple(Payload), "sizes of payloads", choices=tuple(Payload))

    def plans(self) -> Iterator[RunPlan]:
        """The runs of a round: brief payloads with all variants, full ones with the two that are compared closest.

        What sealing and single signatures cost is measured with the most processes alone.
        """
        for workers in self.workers if Payload.BRIEF in self.payloads else ():
            for variant in VARIANTS.values():
                if variant.name in self.variants and (variant is not PLAIN or workers == max(self.workers)):
                    records = self.few if variant.few else self.records
                    yield RunPlan(variant, workers, records * workers // max(self.workers))
        for variant in (PIPELINE, REFERENCE) if Payload.FULL in self.payloads else ():
            if variant.name in self.variants:
                yield RunPlan(variant, max(self.workers), self.records, payload=Payload.FULL)
        if Payload.ATTESTED in self.payloads and PIPELINE.name in self.variants:
            yield RunPlan(PIPELINE, max(self.workers), self.records, payload=Payload.ATTESTED)

    def once(self) -> Iterator[RunPlan]:
        """The runs after the last round: what the relay costs the reference loop."""
        if REFERENCE.name in self.variants:
            yield RunPlan(REFERENCE, max(self.workers), self.records, relay=False)


async def measure_throughput(options: ThroughputOptions) -> Found:
    """Measure every variant.

    Raises:
        SealstreamError: Something could not be started, stalled, or did not do all of its work.
    """
    plans, once = list(options.plans()), list(options.once())
    found: list[Measurement] = []
    async with running_servers() as servers:
        used = [payload for payload in Payload if any(plan.payload is payload for plan in [*plans, *once])]
        say(f"signing {len(used)} times {options.records:,} records")
        records = {payload: list(servers.records(options.records, payload)) for payload in used}
        async with servers.broker(options.broker) as broker:
            feed = await fill(broker, servers.settings.partitions, records, {(p.payload, p.records) for p in plans})
            # A broker compiles its code at the cost of whoever comes first, and not at once.
            for number in range(options.warming):
                await measure(servers, feed, plans[0], f"bench_warming_{number}")
            for number in range(options.rounds):
                found += await _round(servers, feed, _order(plans, number, options.rounds), number)
            found += await _round(servers, feed, once, options.rounds)
            name = broker.name
    return _found(name, options.warming, records, found)


def _order(plans: Sequence[RunPlan], number: int, rounds: int) -> Sequence[RunPlan]:
    """Each round begins elsewhere and every other one goes backwards: what drifts meets all variants alike."""
    start = number * len(plans) // rounds
    return [*plans[start:], *plans[:start]][:: -1 if number % 2 else 1]


async def _round(servers: Servers, feed: Feed, plans: Sequence[RunPlan], number: int) -> list[Measurement]:
    found = []
    for place, plan in enumerate(plans):
        found.append(await measure(servers, feed, plan, f"bench_{number}_{place}"))
        say(f"round {number + 1}: {describe(found[-1])}")
    return found


def describe(measurement: Measurement) -> str:
    """A run in a line."""
    plan = measurement.plan
    beside = "" if plan.relay else ", no relay"
    return f"{plan.variant.title}, {plan.workers} proc., {plan.payload}{beside}: {measurement.rate:,.0f} records/s"


def _sizes(records: Mapping[Payload, Sequence[SignedRecord]]) -> str:
    return ", ".join(
        f"{sum(len(each.value) for each in made) / len(made):.0f} bytes ({payload})"
        for payload, made in records.items()
    )


def _found(
    broker: str, warming: int, records: dict[Payload, list[SignedRecord]], found: Sequence[Measurement]
) -> Found:
    compared = rows(found)
    used = {row.plan.variant.name for row in compared}
    return Found(
        broker=broker,
        setting=[
            "Broker, database, sequencer, relay and workers share the machine. Records are signed one by one with "
            f"Ed25519, the same ones for every variant; payloads of {_sizes(records)} on average. Batches are of "
            f"{BATCH} brief ones.",
            "Clock: from when every worker has its partitions, the backlog being in the topics, to the last commit. "
            f"{warming} runs before the first round are not counted: they warm the broker.",
            *(each.sentence() for each in VARIANTS.values() if each.name in used),
        ],
        figures=figures(compared),
        tables=tables(compared),
        charts=[speed_chart(compared)],
    )


PART = Part(
    name="throughput",
    what=__doc__,
    measure=measure_throughput,
    full=ThroughputOptions(),
    quick=ThroughputOptions(rounds=1, warming=1, records=4_000, few=300),
)

if __name__ == "__main__":
    PART.main()
