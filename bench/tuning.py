"""`python -m bench.tuning`: tries batch sizes and waits of the hand-tuned variants; `Variant.best` comes from here."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from statistics import median
from typing import Final

from bench.findings import Found, Table
from bench.harness import Measurement, RunPlan, measure
from bench.parts import Options, Part, option, say
from bench.records import Payload
from bench.servers import fill, running_servers
from bench.variants import FAUST_OVERLAPPED, FAUST_TAKE, QUIX, REFERENCE, VARIANTS
from bench.variants.tuned import Tuned

TUNABLE: Final = (REFERENCE.name, FAUST_TAKE.name, FAUST_OVERLAPPED.name, QUIX.name)


@dataclass(frozen=True, slots=True)
class TuningOptions(Options):
    """What to try."""

    rounds: int = option(2, "rounds, interleaved")
    records: int = option(16_000, "records of the backlog")
    workers: int = option(2, "worker processes")
    variants: Sequence[str] = option(TUNABLE, "only these", choices=TUNABLE)
    batches: Sequence[int] = option((500, 1_000, 2_000, 4_000), "records of a batch")
    waits: Sequence[float] = option((0.05, 0.2, 0.5), "seconds that a batch may wait")


async def measure_tuning(options: TuningOptions) -> Found:
    """Try everything.

    Raises:
        SealstreamError: Something could not be started, stalled, or did not do all of its work.
    """
    plans = [
        RunPlan(VARIANTS[name], options.workers, options.records, tuned=Tuned(batch, wait))
        for name, batch, wait in product(options.variants, options.batches, options.waits)
    ]
    found: list[Measurement] = []
    async with running_servers() as servers:
        records = {Payload.BRIEF: list(servers.records(options.records))}
        for number in range(options.rounds):
            async with servers.broker(options.broker) as broker:
                size = {(Payload.BRIEF, options.records)}
                feed = await fill(broker, servers.settings.partitions, records, size)
                for place, plan in enumerate(plans[:: -1 if number % 2 else 1]):
                    found.append(await measure(servers, feed, plan, f"tuning_{number}_{place}"))
                    say(f"{plan.variant.title}, {_words(plan)}: {found[-1].rate:,.0f} records/s")
                name = broker.name
    return Found(
        broker=name,
        setting=[f"A backlog of {options.records:,} records, {options.workers} worker processes, relay on."],
        figures={},
        tables=[Table("Batches", ("", "records/s, median", "worker CPU s for 1,000"), _rows(plans, found))],
    )


def _rows(plans: Sequence[RunPlan], found: Sequence[Measurement]) -> list[tuple[str, str, str]]:
    rows = []
    for plan in plans:
        runs = [each for each in found if each.plan == plan]
        cpu = median(each.cpu["workers"] for each in runs) * 1000 / plan.records
        rate = median(each.rate for each in runs)
        rows.append((f"{plan.variant.title}, {_words(plan)}", f"{rate:,.0f}", f"{cpu:.3f}"))
    return rows


def _words(plan: RunPlan) -> str:
    assert plan.tuned is not None
    return f"{plan.tuned.batch:,} within {plan.tuned.within_seconds:g} s"


PART = Part(
    name="tuning",
    what=__doc__,
    measure=measure_tuning,
    full=TuningOptions(),
    quick=TuningOptions(rounds=1, records=2_000, batches=(500,), waits=(0.2,)),
)

if __name__ == "__main__":
    PART.main()
