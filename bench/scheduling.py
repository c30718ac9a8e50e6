"""`python -m bench.scheduling`: what a step of the scheduler costs, and what it does for a mixed load, simulated.

No broker, no model: devices are simulated by `agents.scheduling.simulation`, the load is `bench.scheduling_load`'s.
"""

import heapq
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Final

import msgspec

from agents.scheduling.admission import Limits
from agents.scheduling.assignment import Policy
from agents.scheduling.baselines import EARLIEST_DEADLINE, FIFO, ROUND_ROBIN
from agents.scheduling.scheduler import Scheduler, Started
from agents.scheduling.simulation import Interruption, Outage, Outcome, Simulation
from agents.scheduling.slack_policy import SlackPolicy
from agents.scheduling.work import Urgency, WorkItem
from bench.findings import Found, Table
from bench.parts import Options, Part, option, say
from bench.scheduling_load import SPEEDS, Service, capacity, fleet, mixed_items

EXPRESS: Final = "slack, express slots"
"""`slack` once more, on devices that have an express slot each."""

POLICIES: Final[Mapping[str, Policy]] = {
    "slack": SlackPolicy(),
    EXPRESS: SlackPolicy(),
    "round robin": ROUND_ROBIN,
    "first in, first out": FIFO,
    "earliest deadline first": EARLIEST_DEADLINE,
}
COMPARED: Final = ("slack", EXPRESS, "round robin")
INTERRUPTION: Final = Interruption(switch_us=100, lent=0.1)
"""What going before another batch costs; `bench.engines` measures it."""

PAIR: Final = (1.0, 1.0)
OUTAGE: Final = ("d1", 0.3, 0.5)
"""Of eight devices, the second fastest, and between which parts of the run."""

SEED: Final = 7
UNBOUNDED: Final = Limits(items=1 << 30, backlog_us=1 << 50)


@dataclass(frozen=True, slots=True)
class SchedulingOptions(Options):
    """How much to measure."""

    queued: int = option(1_000, "items queued when a step is timed")
    steps: int = option(4_000, "steps timed")
    items: int = option(60_000, "items simulated on eight devices; a third of it on two")
    load: float = option(0.9, "of the devices' capacity")
    seeds: int = option(5, "loads simulated, each from a seed of its own; ratios are the median of theirs")


@dataclass(frozen=True, slots=True)
class Run:
    """One policy on one fleet.

    Attributes:
        latencies: Milliseconds from arrival to answer by the urgency that was asked for, sorted.
        late: Of high urgency, how many were answered after their deadline, or refused.
        rate: Items a second, from the first arrival to the last answer.
    """

    latencies: Mapping[Urgency, Sequence[float]]
    late: int
    rate: float
    outcome: Outcome

    def percentile(self, urgency: Urgency, parts: int) -> float:
        """Of a hundred parts."""
        values = self.latencies[urgency]
        return values[min(len(values) * parts // 100, len(values) - 1)]


async def measure_scheduling(options: SchedulingOptions) -> Found:
    """Time steps, then simulate."""
    figures = {}
    for name, express in (("step_us", False), ("step_us_express", True)):
        figures[name] = mean(step_nanoseconds(options.queued, options.steps, express=express)) / 1e3
        say(f"{name}: {figures[name]:.1f} on average")
    tables, spread = [], []
    for title, name, speeds, items, fails in (
        ("Eight devices, one failing and coming back", "", SPEEDS, options.items, True),
        ("Two devices", "_two", PAIR, options.items // 3, False),
    ):
        runs = simulated(speeds, items, options.load, SEED, fails=fails)
        tables.append(runs_table(title, runs))
        seeds = range(SEED + 1, SEED + options.seeds)
        others = (simulated(speeds, items, options.load, seed, fails=fails, policies=COMPARED) for seed in seeds)
        compared = [runs, *others]
        for policy, suffix in (("slack", ""), (EXPRESS, "_express")):
            urgent, rates = zip(*(_ratios(each, policy) for each in compared), strict=True)
            figures[f"high_p99_ratio{name}{suffix}"] = median(urgent)
            figures[f"rate_ratio{name}{suffix}"] = median(rates)
            spread.append(
                f"{title}, {policy}: {min(urgent):.1f} to {max(urgent):.1f} times, "
                f"at {min(rates):.3f} to {max(rates):.3f}"
            )
    return Found(
        broker="no broker",
        setting=[
            f"Step: CPU time of the pure function at {options.queued:,} queued items of the mixed load, one of eight "
            f"devices free, {options.steps:,} steps. With express slots most of those are free as well.",
            f"Simulation: seeded load at {options.load:g} of what full batches would allow: transactions (70 % of "
            "items, high urgency), short texts (8 % high, 14 % normal), long texts (4 % normal, 4 % low). Service "
            "times are straight lines in tokens with lognormal noise and 1 % outliers of four times; the eight devices "
            "differ in speed, which is learnt, and the second fastest fails for a fifth of the time.",
            "Shelves, budgets, probes and admission are the same for all policies; only slack looks at predictions, "
            "limits a batch by time and fills it. Items a second are counted until the last answer.",
            f"Where devices have express slots, a batch there costs the one beside it {INTERRUPTION.switch_us} µs more "
            f"than its own time, and lasts {INTERRUPTION.lent:.0%} longer itself: what `bench.engines` found, roughly.",
            f"Slack beside round robin over {options.seeds} seeds, p99 of high urgency and items a second; the figures "
            f"are medians, the tables are of the first. {'; '.join(spread)}.",
        ],
        figures=figures,
        tables=tables,
    )


def step_nanoseconds(queued: int, steps: int, *, express: bool = False) -> list[int]:
    """CPU time of single steps, each when a slot became free; between them what a worker does anyway is not timed."""
    rate = 0.9 * capacity(SPEEDS, SEED)
    items = iter(mixed_items(queued + 200 + steps * 80, rate, SEED))
    policy = SlackPolicy()
    scheduler = Scheduler(policy, fleet(SPEEDS, express=express), UNBOUNDED)
    service = Service(SPEEDS, SEED)
    running: list[tuple[int, int, Started]] = []
    found: list[int] = []
    now = 0
    while len(found) < steps:
        while len(scheduler.queues) < queued:
            item = next(items)
            late = now - item.arrived
            scheduler.offer(msgspec.structs.replace(item, arrived=now, deadline=item.deadline + late), now)
        begun = time.thread_time_ns()
        policy.step(now, scheduler.queues, scheduler.fleet)
        found.append(time.thread_time_ns() - begun)
        for each in scheduler.assign(now):
            heapq.heappush(running, (now + service(each.assignment), each.number, each))
        now, _, done = heapq.heappop(running)
        scheduler.completed(done.number, done.assignment.predicted)
    return found


def _ratios(runs: Mapping[str, Run], policy: str) -> tuple[float, float]:
    """How many times less a policy leaves high urgency waiting than round robin, and its throughput over that one's."""
    ours, turn = runs[policy], runs["round robin"]
    return turn.percentile(Urgency.HIGH, 99) / ours.percentile(Urgency.HIGH, 99), ours.rate / turn.rate


def simulated(
    speeds: Sequence[float],
    count: int,
    load: float,
    seed: int,
    *,
    fails: bool,
    policies: Sequence[str] = tuple(POLICIES),
) -> dict[str, Run]:
    """Every policy on the same load."""
    items = mixed_items(count, load * capacity(speeds, seed), seed)
    device, begins, ends = OUTAGE
    span = items[-1].arrived
    outages = [Outage(device, int(span * begins), int(span * ends))] if fails else []
    runs = {}
    for name in policies:
        scheduler = Scheduler(POLICIES[name], fleet(speeds, express=name == EXPRESS), UNBOUNDED)
        outcome = Simulation(scheduler, Service(speeds, seed), outages, INTERRUPTION).run(items)
        runs[name] = run_of(items, outcome)
        say(f"{len(speeds)} devices, {name}: high p99 {runs[name].percentile(Urgency.HIGH, 99):.1f} ms")
    return runs


def run_of(items: Sequence[WorkItem], outcome: Outcome) -> Run:
    """What a simulation came to, by the urgency that was asked for."""
    offered = {item.id: item for item in items}
    latencies: dict[Urgency, list[float]] = {urgency: [] for urgency in Urgency}
    late = sum(item.urgency is Urgency.HIGH for item, _ in outcome.refused)
    for done in outcome.done:
        item = offered[done.item.id]
        latencies[item.urgency].append((done.at - item.arrived) / 1_000)
        late += item.urgency is Urgency.HIGH and done.at > item.deadline
    ordered = {urgency: sorted(values) for urgency, values in latencies.items()}
    return Run(ordered, late, len(outcome.done) * 1e6 / outcome.ended, outcome)


def runs_table(title: str, runs: Mapping[str, Run]) -> Table:
    """Policies side by side."""
    columns = (
        "",
        "high p50",
        "high p99",
        "normal p99",
        "low p99",
        "high late",
        "items/s",
        "batches",
        "padding",
        "shed",
    )
    rows = []
    for name, run in runs.items():
        outcome = run.outcome
        times = [
            run.percentile(Urgency.HIGH, 50),
            *(run.percentile(urgency, 99) for urgency in Urgency),
        ]
        rows.append(
            (
                name,
                *(f"{value:,.1f}" for value in times),
                f"{run.late:,}",
                f"{run.rate:,.0f}",
                f"{len(outcome.started):,}",
                f"{outcome.padding / outcome.tokens:.1%}",
                f"{outcome.shed:,}",
            )
        )
    return Table(f"{title}; milliseconds from arrival to answer", columns, rows)


PART = Part(
    name="scheduling",
    what=__doc__,
    measure=measure_scheduling,
    full=SchedulingOptions(),
    quick=SchedulingOptions(steps=300, items=6_000, seeds=2),
)

if __name__ == "__main__":
    PART.main()
