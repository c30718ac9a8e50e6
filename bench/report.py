"""What was measured, as a text for people and as one JSON object."""

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench.harness import Measurement, RunPlan
from bench.latency import PacedRun
from bench.steps import Step
from bench.variants import FAUST_BEST, FAUST_DOCUMENTED, REFERENCE, VARIANTS, Variant

_KINDS = ("workers", "relay", "postgres", "broker")


@dataclass(frozen=True, slots=True)
class Row:
    """All rounds of one plan.

    Attributes:
        rates: Records a second, by round.
        ratios: Name of a variant to how many times faster this one was than it with as many processes: the median
            over the rounds, compared round by round.
        cpu: Kind of process to CPU seconds for 1,000 records, median.
        relay_seconds: The longest.
    """

    plan: RunPlan
    rates: tuple[float, ...]
    ratios: dict[str, float]
    cpu: dict[str, float]
    records_a_commit: float
    relay_lag: int
    relay_seconds: float | None

    @property
    def rate(self) -> float:
        """The median."""
        return median(self.rates)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a benchmark found out."""

    measurements: Sequence[Measurement]
    latency: Sequence[PacedRun]
    steps: Sequence[Step]
    seconds: float

    def rows(self) -> list[Row]:
        """One for each plan, in the order of the first round."""
        by_plan: dict[RunPlan, list[Measurement]] = {}
        for each in self.measurements:
            by_plan.setdefault(each.plan, []).append(each)
        return [_row(plan, runs, by_plan) for plan, runs in by_plan.items()]

    def as_json(self) -> dict[str, Any]:
        """The report as one JSON object."""
        return {
            "machine": _machine(),
            "seconds": round(self.seconds, 1),
            "variants": {variant.name: variant.how for variant in VARIANTS.values()},
            "throughput": [_row_json(row) for row in self.rows()],
            "latency": [
                {
                    "variant": each.plan.variant.name,
                    "processes": each.plan.workers,
                    "rate": round(each.rate, 1),
                    "p50_ms": round(each.p50, 1),
                    "p99_ms": round(each.p99, 1),
                    "cpu_seconds_per_1000": {
                        kind: round(seconds * 1000 / each.plan.records, 4) for kind, seconds in each.cpu.items()
                    },
                }
                for each in self.latency
            ],
            "steps": [asdict(step) for step in self.steps],
        }

    def lines(self) -> Iterator[str]:
        """The report as text."""
        machine = _machine()
        yield f"{machine['cores']} cores ({machine['cpu']}), Python {machine['python']}; broker, database, sequencer,"
        yield "relay and workers share them. Records: signed one by one with Ed25519, the same ones for every variant."
        yield ""
        yield from self._throughput()
        yield ""
        yield from self._latency()
        yield ""
        yield from self._steps()
        yield ""
        for variant in VARIANTS.values():
            yield f"{variant.title}: {variant.how}."
        yield "Stock Faust's events lose repeated headers; its messages keep them, and are what the stages get here."
        yield f"Took {self.seconds:.0f} s"

    def _throughput(self) -> Iterator[str]:
        yield (
            f"{'':32}{'records':>8}{'records/s':>10}{'min - max':>15}{'x ref.':>8}{'x Faust':>8}{'x best':>8}"
            f"{'CPU s per 1,000 records':>38}{'a commit':>10}{'relay':>16}"
        )
        yield (
            f"{'':32}{'':8}{'median':>10}{'':15}{'':8}{'docs':>8}{'Faust':>8}"
            + "".join(f"{kind:>{9 if number else 11}}" for number, kind in enumerate(_KINDS))
            + f"{'records':>10}{'max lag, then':>16}"
        )
        for row in self.rows():
            plan = row.plan
            name = f"{plan.variant.title}, {plan.workers} proc." + ("" if plan.relay else ", no relay")
            spread = f"{min(row.rates):,.0f} - {max(row.rates):,.0f}"
            ratios = [row.ratios.get(each.name) for each in (REFERENCE, FAUST_DOCUMENTED, FAUST_BEST)]
            relay = "off" if row.relay_seconds is None else f"{row.relay_lag:,} {row.relay_seconds:.2f} s"
            yield (
                f"{name:32}{plan.records:>8,}{row.rate:>10,.0f}{spread:>15}"
                + "".join(f"{ratio:>8.2f}" if ratio else f"{'':8}" for ratio in ratios)
                + "".join(f"{row.cpu[kind]:>{9 if n else 11}.3f}" for n, kind in enumerate(_KINDS))
                + f"{row.records_a_commit:>10,.0f}{relay:>16}"
            )
        yield "Clock: from when every worker has its partitions, the backlog being in the topics, to the last commit."
        yield "Ratios: compared within each round, with as many processes. Relay: most leaves committed and not yet"
        yield "published, then the longest it took from the last commit until all were."

    def _latency(self) -> Iterator[str]:
        for each in self.latency:
            yield (
                f"Latency of {each.plan.variant.title}, {each.plan.workers} proc., {each.plan.records:,} records at "
                f"{each.rate:,.0f}/s, publish to durable commit: p50 {each.p50:.1f} ms, p99 {each.p99:.1f} ms"
            )

    def _steps(self) -> Iterator[str]:
        whole = sum(step.microseconds for step in self.steps if step.part_of is None)
        yield f"CPU µs a record, single-threaded, in-process; {whole:.0f} in all (without fetching):"
        for step in self.steps:
            indent = "    " if step.part_of else "  "
            yield f"{indent + step.name:38}{step.microseconds:8.1f}{step.microseconds / whole:>6.0%}"


def _row(plan: RunPlan, runs: Sequence[Measurement], by_plan: dict[RunPlan, list[Measurement]]) -> Row:
    return Row(
        plan=plan,
        rates=tuple(run.rate for run in runs),
        ratios={
            other.name: ratio
            for other in (REFERENCE, FAUST_DOCUMENTED, FAUST_BEST)
            if other is not plan.variant and plan.relay and (ratio := _ratio(runs, _same(by_plan, other, plan.workers)))
        },
        cpu={kind: median(run.cpu[kind] for run in runs) * 1000 / plan.records for kind in _KINDS},
        records_a_commit=median(plan.records / run.commits for run in runs),
        relay_lag=max(run.relay_lag for run in runs),
        relay_seconds=max((run.relay_seconds for run in runs if run.relay_seconds is not None), default=None),
    )


def _same(by_plan: dict[RunPlan, list[Measurement]], variant: Variant, workers: int) -> Sequence[Measurement]:
    for plan, runs in by_plan.items():
        if (plan.variant, plan.workers, plan.relay) == (variant, workers, True):
            return runs
    return ()


def _ratio(runs: Sequence[Measurement], others: Sequence[Measurement]) -> float | None:
    pairs = list(zip(runs, others, strict=False))
    return median(ours.rate / theirs.rate for ours, theirs in pairs) if pairs else None


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "variant": row.plan.variant.name,
        "processes": row.plan.workers,
        "relay": row.plan.relay,
        "records": row.plan.records,
        "rates": [round(rate, 1) for rate in row.rates],
        "median": round(row.rate, 1),
        "ratio_to": {name: round(ratio, 3) for name, ratio in row.ratios.items()},
        "cpu_seconds_per_1000": {kind: round(seconds, 4) for kind, seconds in row.cpu.items()},
        "records_a_commit": round(row.records_a_commit, 1),
        "relay_max_lag": row.relay_lag if row.plan.relay else None,
        "relay_seconds_to_zero": row.relay_seconds,
    }


def _machine() -> dict[str, object]:
    model = "unknown CPU"
    try:
        with open("/proc/cpuinfo") as info:
            model = next((line.partition(":")[2].strip() for line in info if line.startswith("model name")), model)
    except OSError:
        pass
    return {"cores": os.cpu_count(), "cpu": model, "python": platform.python_version()}
