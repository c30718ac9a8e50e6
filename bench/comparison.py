"""Runs of the variants side by side: medians over rounds, ratios within each round, what each variant can't promise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.findings import Bar, BarChart, Table
from bench.harness import Measurement, RunPlan
from bench.records import Payload
from bench.variants import (
    FAUST_DOCUMENTED,
    FAUST_OVERLAPPED,
    FAUST_TAKE,
    PIPELINE,
    PLAIN,
    QUIX,
    REFERENCE,
    VARIANTS,
    Variant,
)

OTHERS: Final = (REFERENCE, FAUST_DOCUMENTED, FAUST_TAKE, FAUST_OVERLAPPED, QUIX)
AIMED_WORKERS: Final = 2
_PAYLOADS: Final = {Payload.FULL: "full payload", Payload.ATTESTED: "attested in batches"}
_KINDS: Final = ("workers", "relay", "postgres", "broker")


@dataclass(frozen=True, slots=True)
class Row:
    """All rounds of one plan.

    Attributes:
        rates: Records a second, by round.
        ratios: Name of a variant to how many times faster this one was than it with as many processes: the median
            over the rounds, compared round by round.
        whole: CPU seconds of all processes for 1,000 records, by round.
        cpu: Kind of process to CPU seconds for 1,000 records, median.
        relay_seconds: The longest.
        megabytes: The most that a worker had.
    """

    plan: RunPlan
    rates: tuple[float, ...]
    ratios: Mapping[str, float]
    whole: tuple[float, ...]
    cpu: Mapping[str, float]
    records_a_commit: float
    relay_lag: int
    relay_seconds: float | None
    megabytes: float

    @property
    def rate(self) -> float:
        """The median."""
        return median(self.rates)

    @property
    def title(self) -> str:
        """For people."""
        plan = self.plan
        words = [plan.variant.title, f"{plan.workers} proc."]
        words += [_PAYLOADS[plan.payload]] if plan.payload in _PAYLOADS else []
        return ", ".join(words + ([] if plan.relay else ["no relay"]))


def rows(measurements: Sequence[Measurement]) -> list[Row]:
    """One for each plan, in the order of the first round."""
    by_plan: dict[RunPlan, list[Measurement]] = {}
    for each in measurements:
        by_plan.setdefault(each.plan, []).append(each)
    return [_row(plan, runs, by_plan) for plan, runs in by_plan.items()]


def figures(compared: Sequence[Row]) -> dict[str, float]:
    """This pipeline with two processes, by itself, over each of the others, and without what makes it trusted."""
    at_work = {(row.plan.variant, row.plan.payload): row for row in compared if _is_aimed_at(row.plan)}
    ours = at_work.get((PIPELINE, Payload.BRIEF))
    if ours is None:
        return {}
    found = {"ours": ours.rate} | {f"ours/{name}": ratio for name, ratio in ours.ratios.items()}
    if plain := at_work.get((PLAIN, Payload.BRIEF)):
        found["encryption"] = median(1 - less / whole for less, whole in zip(plain.whole, ours.whole, strict=True))
    if batches := at_work.get((PIPELINE, Payload.ATTESTED)):
        found["batches"] = batches.rate
        found["batches/single"] = median(fast / slow for fast, slow in zip(batches.rates, ours.rates, strict=True))
    return found


def _is_aimed_at(plan: RunPlan) -> bool:
    return plan.workers == AIMED_WORKERS and plan.relay


def tables(compared: Sequence[Row]) -> list[Table]:
    """Speed with ratios, what it took, and what the others don't do."""
    missing = [each for each in VARIANTS.values() if each.lacks and any(row.plan.variant is each for row in compared)]
    return [
        Table(
            "Records a second, and how many times another variant's with as many processes",
            ("", "records", "median", "range", *(f"x {each.title}" for each in OTHERS)),
            [_speed(row) for row in compared],
            ["Ratios are compared within each round, and the median of the rounds is shown."],
        ),
        Table(
            "What it took",
            (
                "",
                *(f"{kind}, CPU s" for kind in _KINDS),
                "records a commit",
                "worker MB",
                "relay lag",
                "then",
            ),
            [_cost(row) for row in compared],
            [
                "CPU seconds are for 1,000 records. Relay lag: the most leaves committed and not yet published. Then: "
                "the longest it took from the last commit until all were."
            ],
        ),
        Table("What the others can't promise", ("", "limits"), [(each.title, each.lacks) for each in missing]),
    ]


def speed_chart(compared: Sequence[Row]) -> BarChart:
    """A bar for each row."""
    bars = [Bar(row.title, row.rate, min(row.rates), max(row.rates)) for row in compared]
    return BarChart("End to end: signed records to durable commits", "records/s", bars)


def _speed(row: Row) -> tuple[str, ...]:
    spread = f"{min(row.rates):,.0f} - {max(row.rates):,.0f}"
    ratios = (row.ratios.get(each.name) for each in OTHERS)
    shown = ("" if ratio is None else f"{ratio:.2f}" for ratio in ratios)
    return (row.title, f"{row.plan.records:,}", f"{row.rate:,.0f}", spread, *shown)


def _cost(row: Row) -> tuple[str, ...]:
    cpu = (f"{row.cpu[kind]:.3f}" for kind in _KINDS)
    relay = ("off", "") if row.relay_seconds is None else (f"{row.relay_lag:,}", f"{row.relay_seconds:.2f} s")
    return (row.title, *cpu, f"{row.records_a_commit:,.0f}", f"{row.megabytes:.0f}", *relay)


def _row(plan: RunPlan, runs: Sequence[Measurement], by_plan: Mapping[RunPlan, Sequence[Measurement]]) -> Row:
    return Row(
        plan=plan,
        rates=tuple(run.rate for run in runs),
        ratios={
            other.name: ratio
            for other in OTHERS
            if other is not plan.variant and plan.relay and (ratio := _ratio(runs, _same(by_plan, other, plan)))
        },
        whole=tuple(sum(run.cpu[kind] for kind in _KINDS) * 1000 / plan.records for run in runs),
        cpu={kind: median(run.cpu[kind] for run in runs) * 1000 / plan.records for kind in _KINDS},
        records_a_commit=median(plan.records / run.commits for run in runs),
        relay_lag=max(run.relay_lag for run in runs),
        relay_seconds=max((run.relay_seconds for run in runs if run.relay_seconds is not None), default=None),
        megabytes=max(run.megabytes for run in runs),
    )


def _same(by_plan: Mapping[RunPlan, Sequence[Measurement]], variant: Variant, like: RunPlan) -> Sequence[Measurement]:
    for plan, runs in by_plan.items():
        if (plan.variant, plan.workers, plan.relay, plan.payload) == (variant, like.workers, True, like.payload):
            return runs
    return ()


def _ratio(runs: Sequence[Measurement], others: Sequence[Measurement]) -> float | None:
    pairs = list(zip(runs, others, strict=False))
    return median(ours.rate / theirs.rate for ours, theirs in pairs) if pairs else None
