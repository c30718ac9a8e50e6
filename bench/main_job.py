"""`python -m bench.main_job`: all variants in interleaved rounds, latency at a steady rate, and µs of each step."""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

import msgspec

from bench.harness import Measurement, RunPlan, measure
from bench.latency import PacedRun, measure_paced
from bench.records import SignedRecord, make_records
from bench.report import Report
from bench.servers import Feed, Servers, filled_broker, running_servers
from bench.steps import measure_steps
from bench.variants import PIPELINE, REFERENCE, VARIANTS
from schemas.errors import SealstreamError
from sealstream.oneshot.job import OWN_SERVERS
from sealstream.settings import load_settings

PACED = "paced"


@dataclass(frozen=True, slots=True)
class Options:
    """How much to measure.

    Attributes:
        records: For the fast variants, with as many worker processes as there are; with fewer the same share of them.
        few: For the slow variant, likewise.
        step_records: For the µs of each step.
        paced_seconds: Length of the latency run, at half of the measured rate.
        variants: Names of those to run.
        workers: Numbers of worker processes to run each with.
    """

    rounds: int = 3
    records: int = 20_000
    few: int = 1_200
    step_records: int = 2_000
    paced_seconds: float = 8.0
    variants: Sequence[str] = tuple(VARIANTS)
    workers: Sequence[int] = (1, 2)

    def plans(self) -> Iterator[RunPlan]:
        """The runs of a round."""
        for workers in self.workers:
            for variant in VARIANTS.values():
                if variant.name in self.variants:
                    records = self.few if variant.few else self.records
                    yield RunPlan(variant, workers, records * workers // max(self.workers))

    def once(self) -> Iterator[RunPlan]:
        """The runs of the first round alone: what the relay costs the reference loop."""
        if REFERENCE.name in self.variants:
            yield RunPlan(REFERENCE, max(self.workers), self.records, relay=False)


QUICK = Options(rounds=1, records=8_000, few=600, step_records=1_000, paced_seconds=4.0)


async def run(options: Options) -> Report:
    """Measure everything.

    Raises:
        SealstreamError: Something could not be started, stalled, or did not do all of its work.
    """
    started = time.perf_counter()
    # Always servers of its own: what the environment names may be somebody's data.
    settings = load_settings(env="development", **OWN_SERVERS)
    plans, once = list(options.plans()), list(options.once())
    found: list[Measurement] = []
    latency: list[PacedRun] = []
    async with running_servers(settings) as servers:
        say(f"signing {options.records:,} records")
        records = make_records(options.records, servers.signer)
        steps = await measure_steps(servers, records[: options.step_records])
        for number in range(options.rounds):
            async with filled_broker(servers, records, [plan.records for plan in plans], [PACED]) as feed:
                # Every other round backwards: what drifts, such as the broker's memory, meets all variants alike.
                for place, plan in enumerate(([*plans, *once] if number == 0 else plans)[:: -1 if number % 2 else 1]):
                    found.append(await measure(servers, feed, plan, f"bench_{number}_{place}"))
                    say(f"round {number + 1}: {describe(found[-1])}")
                if number == options.rounds - 1 and PIPELINE.name in options.variants:
                    latency.append(await _paced(options, found, servers, feed, records))
    return Report(found, latency, steps, time.perf_counter() - started)


async def _paced(
    options: Options, found: Sequence[Measurement], servers: Servers, feed: Feed, records: Sequence[SignedRecord]
) -> PacedRun:
    """This pipeline at half of what it was measured to do."""
    workers = max(options.workers)
    capacity = median(each.rate for each in found if each.plan.variant is PIPELINE and each.plan.workers == workers)
    rate = capacity / 2
    taken = records[: int(rate * options.paced_seconds)]
    say(f"publishing {len(taken):,} records at {rate:,.0f}/s")
    return await measure_paced(servers, feed, RunPlan(PIPELINE, workers, len(taken)), taken, rate, PACED)


def describe(measurement: Measurement) -> str:
    """A run in a line."""
    plan = measurement.plan
    beside = "" if plan.relay else ", no relay"
    return f"{plan.variant.title}, {plan.workers} proc.{beside}: {measurement.rate:,.0f} records/s"


def say(line: str) -> None:
    """Talk goes to stderr."""
    print(f"… {line}", file=sys.stderr, flush=True)


def parse(arguments: Sequence[str] | None = None) -> tuple[Options, bool]:
    """The options, and whether the report is to be JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.main_job", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round with fewer records, 90 s at most")
    parser.add_argument("--rounds", type=int, help="rounds, interleaved")
    parser.add_argument("--records", type=int, help="records for the fast variants")
    parser.add_argument("--few", type=int, help="records for Faust as documented")
    parser.add_argument("--variants", nargs="+", choices=tuple(VARIANTS), help="only these")
    parser.add_argument("--workers", nargs="+", type=int, help="numbers of worker processes")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    as_json, quick = given.pop("json"), given.pop("quick")
    return replace(QUICK if quick else Options(), **given), as_json


async def _interruptible(options: Options) -> Report:
    """Run; on SIGTERM and Ctrl-C everything that was started is stopped, and its directory removed."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await run(options)


def main() -> None:
    options, as_json = parse()
    try:
        report = asyncio.run(_interruptible(options))
    except SealstreamError as exc:
        sys.exit(f"bench: {exc}")
    except asyncio.CancelledError:
        sys.exit("bench: interrupted")
    if as_json:
        print(msgspec.json.encode(report.as_json()).decode())
    else:
        print("\n".join(report.lines()))


if __name__ == "__main__":
    main()
