"""`python -m bench.engines`: what the scheduler does for a mixed load on two devices with real engines.

Every batch that a policy decides on is computed, by the engines that the product runs, and takes as long as its CPU
time was. Only the clock is simulated: two devices that others keep from their cores would make 0.9 of capacity an
overload at one moment and idleness at the next. CPU time depends on the neighbours too, by a tenth and more from one
minute to the next: when the busy shares of the policies differ, the figure says as much about that as about them. That
the operating system computes an urgent batch before one that has begun is measured in real time, and charged. Needs
what `bench.inference` needs.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Final

import msgspec

from agents.inference.engine import Engine, ModelInput
from agents.inference.onnx_encoder import OnnxEncoder
from agents.inference.onnx_session import CPU
from agents.inference.text_model import PreparedText
from agents.inference.transaction_kind import load_default_engine
from agents.lanes.infer_setup import PROFILE
from agents.scheduling.assignment import Assignment, Policy
from agents.scheduling.baselines import ROUND_ROBIN
from agents.scheduling.device import Device, room
from agents.scheduling.fleet import Fleet
from agents.scheduling.latency import Latencies
from agents.scheduling.queues import rounded
from agents.scheduling.scheduler import Scheduler
from agents.scheduling.simulation import Interruption, Simulation
from agents.scheduling.slack_policy import SlackPolicy
from agents.scheduling.work import Modality, Urgency, WorkItem
from bench.findings import Found
from bench.inference import long_documents
from bench.parts import Options, Part, option, say
from bench.preemption import measure_preemption
from bench.scheduling import UNBOUNDED, Run, run_of, runs_table
from bench.scheduling_load import mixed_items
from sealstream.evaluators.evaluation import read_labelled
from sealstream.training.encoder_export import ExportedEncoder, export_encoder, read_encoder
from sealstream.training.transaction_kind_examples import make_examples

DEVICES: Final = ("d0", "d1")
OURS: Final = "slack, express slot"
ONE_SLOT: Final = "slack, one slot"
TURN: Final = "round robin"
SEED: Final = 7
TRANSACTION_TOKENS: Final = 8
"""As which a transaction counts: the model hashes a text of any length into one row."""

POOL: Final = 200
"""Different inputs of each kind; a load draws from them."""

TRIED: Final = 3
"""Times a full batch is computed to find out what the devices could do."""


@dataclass(frozen=True, slots=True)
class EnginesOptions(Options):
    """How much to measure."""

    encoder: str = option("", "folder of the exported encoder; default: it is exported anew")
    data: str = option("../shared/data/text_labels/banking77", "folder with banking77's test.csv")
    seconds: float = option(6.0, "of load, by the simulated clock")
    load: float = option(0.9, "of the devices' capacity")
    rounds: int = option(3, "loads, each on all policies; ratios are the median of theirs")


@dataclass(frozen=True, slots=True)
class Inputs:
    """What items are computed from, by the item's id."""

    transactions: Mapping[str, ModelInput]
    texts: Mapping[str, PreparedText]


class RealDevice:
    """One device's models."""

    def __init__(self, exported: ExportedEncoder) -> None:
        self.encoder = OnnxEncoder(exported.files, exported.settings, CPU)
        self.kinds: Engine = load_default_engine()

    def spent(self, items: Sequence[WorkItem], inputs: Inputs) -> int:
        """Compute a batch; returns microseconds of CPU time."""
        began = time.process_time_ns()
        if items[0].modality is Modality.TRANSACTION:
            self.kinds.classify([inputs.transactions[item.id] for item in items])
        else:
            self.encoder.embed([inputs.texts[item.id] for item in items])
        return (time.process_time_ns() - began) // 1_000 + 1


class _Engines:
    """Computes batches where they were assigned to.

    Attributes:
        spent: Microseconds so far.
    """

    def __init__(self, devices: Mapping[str, RealDevice], inputs: Inputs) -> None:
        self._devices = devices
        self._inputs = inputs
        self.spent = 0

    def __call__(self, assignment: Assignment) -> int:
        took = self._devices[assignment.device].spent(assignment.items, self._inputs)
        self.spent += took
        return took


@dataclass(frozen=True, slots=True)
class Round:
    """Ours, with and without express slots, and round robin on one load, one right after the other.

    Attributes:
        busy: By policy, which share of the time the devices were.
        items: Of the load.
    """

    runs: Mapping[str, Run]
    busy: Mapping[str, float]
    items: int

    def urgent(self, name: str = OURS) -> float:
        """How many times less ours leaves high urgency waiting than round robin, p99."""
        return self.runs[TURN].percentile(Urgency.HIGH, 99) / self.runs[name].percentile(Urgency.HIGH, 99)

    def rate(self, name: str = OURS) -> float:
        """Throughput over round robin's."""
        return self.runs[name].rate / self.runs[TURN].rate


async def measure_engines(options: EnginesOptions) -> Found:
    """All on the same loads, each on two devices that nothing is known of."""
    exported = read_encoder(Path(options.encoder)) if options.encoder else export_encoder()
    devices = {name: RealDevice(exported) for name in DEVICES}
    pool = _pool(devices[DEVICES[0]].encoder, read_labelled(Path(options.data) / "test.csv", "banking77 test").texts)
    preemption = measure_preemption(devices[DEVICES[0]].encoder, pool.long, pool.short)
    say(preemption.text())
    rounds = [_round(devices, pool.draw, options, number, preemption.interruption) for number in range(options.rounds)]
    urgent, rates = [each.urgent() for each in rounds], [each.rate() for each in rounds]
    shown = sorted(rounds, key=Round.urgent)[len(rounds) // 2]
    return Found(
        broker="no broker",
        setting=[
            f"{shown.items:,} items at {options.load:g} of what two devices with one thread each do in full batches: "
            "made-up transactions (the shipped model, 70 % of items, high urgency), texts of banking77 (8 % high, 14 % "
            "normal) and long documents of them (4 % normal, 4 % low; all-MiniLM-L6-v2 in float32). In the product "
            "transactions are classified inline; here they are the small work that must not wait behind the large.",
            "Every batch is computed, and lasts as long as its CPU time; the clock is simulated. Devices are described "
            "to the scheduler as an infer worker's are, and nothing is known of them at the start.",
            "Ours uses what round robin has not: each device's express slot, in which a batch of high urgency is "
            "computed before the one that has begun. Without it (one slot for each device, as round robin) ours has "
            f"p99 of high urgency {median(each.urgent(ONE_SLOT) for each in rounds):.1f} times less than round robin, "
            f"at {median(each.rate(ONE_SLOT) for each in rounds):.3f} of its items a second.",
            preemption.text(),
            f"{len(rounds)} rounds, each with a load of its own and capacity measured right before; the figures are "
            f"medians, the table is of the median round. p99 of high urgency {min(urgent):.1f} to {max(urgent):.1f} "
            f"times, items a second until the last answer {min(rates):.3f} to {max(rates):.3f}.",
            "What batches cost differs with what else the machine does. Shares of the time that devices were busy, "
            "slack with and without express slots and round robin by rounds: "
            + "; ".join(", ".join(f"{each.busy[name]:.0%}" for name in (OURS, ONE_SLOT, TURN)) for each in rounds)
            + f". Above {options.load:.0%} the machine was slower than when its capacity was measured.",
        ],
        figures={
            "high_p99_ratio": median(urgent),
            "rate_ratio": median(rates),
            "high_p99_ratio_one_slot": median(each.urgent(ONE_SLOT) for each in rounds),
            "urgent_wall/cpu": preemption.urgent[0],
            "bulk_share": preemption.lent,
        },
        tables=[runs_table("Two devices with real engines", shown.runs)],
    )


def _round(
    devices: Mapping[str, RealDevice], draw: "Draw", options: EnginesOptions, number: int, interruption: Interruption
) -> Round:
    # What a full batch costs decides how many items a second are 0.9 of capacity.
    sample, inputs = draw(mixed_items(1_000, 1_000, SEED))
    cost = _microseconds_an_item(devices[DEVICES[0]], sample, inputs)
    rate = options.load * len(DEVICES) * 1e6 / cost
    items, inputs = draw(mixed_items(max(int(rate * options.seconds), 10), rate, SEED + 1 + number))
    say(f"{cost / 1e3:.1f} ms an item in full batches; {len(items):,} items at {rate:.0f}/s")
    runs: dict[str, Run] = {}
    busy: dict[str, float] = {}
    # In turns, so that a machine that becomes slower is not one policy's fault.
    order: list[tuple[str, Policy]] = [(OURS, SlackPolicy()), (TURN, ROUND_ROBIN), (ONE_SLOT, SlackPolicy())]
    for name, policy in order if number % 2 == 0 else reversed(order):
        described = [Device(each, frozenset(("kind", "encoder")), express=name == OURS) for each in DEVICES]
        fleet = Fleet(described, Latencies(dict.fromkeys(("kind", "encoder"), PROFILE)))
        engines = _Engines(devices, inputs)
        outcome = Simulation(Scheduler(policy, fleet, UNBOUNDED), engines, interruption=interruption).run(items)
        runs[name] = run_of(items, outcome)
        busy[name] = engines.spent / outcome.ended / len(DEVICES)
        say(f"{name}: high p99 {runs[name].percentile(Urgency.HIGH, 99):.1f} ms")
    return Round(runs, busy, len(items))


Draw = Callable[[Sequence[WorkItem]], tuple[list[WorkItem], Inputs]]


@dataclass(frozen=True, slots=True)
class Pool:
    """Inputs, and how items get them: a real one in place of a length drawn at random."""

    short: Sequence[PreparedText]
    long: Sequence[PreparedText]
    draw: Draw


def _pool(encoder: OnnxEncoder, texts: Sequence[str]) -> Pool:
    random = Random(SEED)
    transactions = make_examples(POOL, SEED).inputs
    short = encoder.prepare(random.sample(list(texts), POOL))
    long = encoder.prepare(long_documents(texts, POOL, random))

    def draw(items: Sequence[WorkItem]) -> tuple[list[WorkItem], Inputs]:
        drawn: list[WorkItem] = []
        kinds: dict[str, ModelInput] = {}
        prepared: dict[str, PreparedText] = {}
        for item in items:
            if item.modality is Modality.TRANSACTION:
                kinds[item.id] = random.choice(transactions)
                tokens, size = TRANSACTION_TOKENS, len(kinds[item.id].text) + 60
            else:
                prepared[item.id] = random.choice(long if item.tokens >= 128 else short)
                tokens, size = prepared[item.id].tokens, len(prepared[item.id].text)
            drawn.append(msgspec.structs.replace(item, tokens=tokens, size=size))
        return drawn, Inputs(kinds, prepared)

    return Pool(short, long, draw)


def _microseconds_an_item(device: RealDevice, items: Sequence[WorkItem], inputs: Inputs) -> float:
    """CPU time of the average item when every batch is full."""
    described = Device("", frozenset())
    shelves: dict[tuple[str, int], list[WorkItem]] = {}
    for item in items:
        shelves.setdefault((item.model, rounded(item.tokens)), []).append(item)
    total = 0.0
    for (_, tokens), some in shelves.items():
        full = min(len(some), room(tokens, described.max_items, 1_024))
        spent = median(device.spent(some[:full], inputs) for _ in range(TRIED))
        total += spent / full * len(some)
    return total / len(items)


PART: Final = Part(
    name="engines",
    what=__doc__,
    measure=measure_engines,
    full=EnginesOptions(),
    quick=EnginesOptions(seconds=2.0, rounds=1),
)

if __name__ == "__main__":
    PART.main()
