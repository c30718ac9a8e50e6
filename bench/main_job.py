"""`python -m bench.main_job`: all variants in interleaved rounds, latency at a steady rate, and µs of each step."""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from bench.harness import Measurement, RunPlan, measure
from bench.latency import PacedRun, paced
from bench.records import make_records
from bench.report import Report
from bench.servers import filled_broker, running_servers
from bench.steps import Step, measure_steps
from bench.variants import FAUST_BEST, FAUST_DOCUMENTED, PIPELINE, REFERENCE, VARIANTS
from schemas.errors import SealstreamError
from sealstream.oneshot.job import SESSION_TIMEOUT
from sealstream.settings import load_settings


@dataclass(frozen=True, slots=True)
class Options:
    """How much to measure.

    Attributes:
        records: For the fast variants; with one worker process half of them.
        few: For the slow one.
        paced_seconds: Length of the latency run.
        paced_records: At most so many records in it.
        variants: Names of those to run.
        workers: Numbers of worker processes to run each with.
    """

    rounds: int = 3
    records: int = 20_000
    few: int = 1_500
    step_records: int = 2_000
    paced_seconds: float = 8.0
    variants: Sequence[str] = field(default_factory=lambda: tuple(VARIANTS))
    workers: Sequence[int] = (1, 2)

    def plans(self) -> Iterator[RunPlan]:
        """The runs of a round."""
        for workers in self.workers:
            for variant in (PIPELINE, REFERENCE, FAUST_BEST, FAUST_DOCUMENTED):
                if variant.name in self.variants:
                    records = (self.few if variant.few else self.records) * workers // max(self.workers)
                    yield RunPlan(variant, workers, records)

    def once(self) -> Iterator[RunPlan]:
        """The runs of the first round alone: what the relay costs the reference loop."""
        if REFERENCE.name in self.variants:
            yield RunPlan(REFERENCE, max(self.workers), self.records, relay=False)


async def run(options: Options) -> Report:
    """Measure everything.

    Raises:
        SealstreamError: Something could not be started, stalled, or did not do all of its work.
    """
    started = time.perf_counter()
    settings = load_settings(session_timeout=SESSION_TIMEOUT, data_dir=None, database_url=None, kafka_bootstrap=None)
    plans, once = list(options.plans()), list(options.once())
    found: list[Measurement] = []
    latency: PacedRun | None = None
    async with running_servers(settings) as servers:
        say(f"signing {options.records} records")
        records = make_records(options.records, servers.signer)
        steps: list[Step] = await measure_steps(servers, records[: options.step_records])
        for number in range(options.rounds):
            async with filled_broker(servers, records, [p.records for p in plans], ["paced"]) as feed:
                order = plans + (once if number == 0 else [])
                # Every other round backwards: what drifts, such as the broker's memory, meets each variant alike.
                for place, plan in enumerate(order[:: -1 if number % 2 else 1]):
                    found.append(await measure(servers, feed, plan, f"bench_{number}_{place}"))
                    say(f"round {number + 1}: {describe(found[-1])}")
                if number == options.rounds - 1 and PIPELINE.name in options.variants:
                    latency = await _latency(options, found, servers, feed, records)
                    say(f"paced at {latency.rate:.0f}/s: p50 {latency.p50:.1f} ms, p99 {latency.p99:.1f} ms")
    return Report(found, latency, steps, time.perf_counter() - started)


async def _latency(options, found, servers, feed, records):
    ...


def describe(measurement: Measurement) -> str:
    """A run in a line."""
    plan = measurement.plan
    beside = "" if plan.relay else ", no relay"
    return f"{plan.variant.title}, {plan.workers} processes{beside}: {measurement.rate:.0f}/s"


def say(line: str) -> None:
    """Talk goes to stderr."""
    print(f"… {line}", file=sys.stderr, flush=True)
