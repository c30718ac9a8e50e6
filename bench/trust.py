"""`python -m bench.trust`: what sealing and single signatures cost: the same records through the pipeline without them.

Beside the product as it is run the same stages with plain storage in the place of sealing, and with records attested in
batches. One process and its database, CPU of both, rounds interleaved; ratios are taken round by round.
"""

import gc
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Final

from aiokafka import ConsumerRecord

from agents.commits.record_batch import RecordBatch
from agents.inference.slots import Slot
from agents.inference.transaction_kind import load_default_engine
from agents.intake.classification import Classifier
from agents.intake.door import Intake
from agents.intake.interpretation import Interpreter
from agents.intake.pipeline import Stages
from bench.cpu import cpu_seconds
from bench.findings import Found, Table
from bench.intake import IntakeBench, open_intake
from bench.parts import Options, Part, option, say
from bench.plain_storage import PlainStorage
from bench.records import BATCH, Payload, SignedRecord
from bench.servers import DOMAIN, TENANT, Servers, running_servers
from security.blind_terms import BlindIndex
from security.key_provider import KeyProvider, Scope
from security.sealing import SealingPass
from security.suites import Suite
from security.tier_keys import TierKeys, new_tier_key
from streams.storage.database import Database
from streams.storage.ids import IdBlock

RUN: Final = "trust"
FRAME: Final = 500
EVIDENCE_BYTES: Final = 1_000
CALLS: Final = 2_000
FIELDS: Final = (("account", 3, b"DE89370400440532013000"), ("amount", 3, b"1234.56"), ("currency", 2, b"EUR"),
    ("counterparty_name", 3, b"Muster Handelsgesellschaft mbH"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class TrustOptions(Options):
    """How much to measure."""

    records: int = option(5_000, "records, in frames of 500; the first one warms up")
    rounds: int = option(5, "rounds of every variant")


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU µs for a record."""

    client: float
    server: float

    @property
    def whole(self) -> float:
        """Both."""
        return self.client + self.server


async def measure_trust(options: TrustOptions) -> Found:
    """Measure the steps by themselves, then every variant in turn.

    Raises:
        SealstreamError: Something could not be started.
    """
    async with running_servers() as servers:
        records = {
            "sealed": list(servers.records(options.records)),
            "batch": list(servers.records(options.records, Payload.ATTESTED)),
        }
        records["plain"] = records["sealed"]
        costs: dict[str, list[Cost]] = {name: [] for name in records}
        steps: list[Mapping[str, float]] = []
        for number in range(options.rounds):
            for name, these in records.items():
                async with servers.database(f"{RUN}_{number}_{name}") as dsn, Database(dsn, name=RUN) as database:
                    intake = await open_intake(database, servers.settings, group=RUN, cluster=RUN)
                    if not steps or len(steps) <= number:
                        steps.append(_steps(intake.identity.keyring))
                    if name == "plain":
                        intake.pipeline.use(_plain(intake, database))
                    costs[name].append(await _cost(servers, intake, these))
            say(f"round {number + 1}: " + ", ".join(f"{name} {each[-1].whole:.0f} µs" for name, each in costs.items()))
    return _found(options, costs, {name: min(each[name] for each in steps) for name in steps[0]})


def _plain(intake: IntakeBench, database: Database) -> Stages:
    knowledge, keyring = intake.knowledge, intake.identity.keyring
    pass_ids = IdBlock(database, "pass_ids")
    sealing = PlainStorage(knowledge.catalogue, knowledge.tier_keys, BlindIndex(keyring), pass_ids)
    return Stages(
        Intake(RUN, knowledge.registry, knowledge.owners, knowledge.platform, keyring.index_key),
        Interpreter(knowledge.catalogue, keyring.index_key),
        Classifier(Slot(load_default_engine())),
        sealing,
        len({tenant for tenant, _ in knowledge.owners}),
        knowledge.revision,
    )


async def _cost(servers: Servers, intake: IntakeBench, records: Sequence[SignedRecord]) -> Cost:
    def server() -> float:
        return cpu_seconds({"postgres": [servers.postgres.pid]})["postgres"]

    async def work(frame: RecordBatch) -> None:
        outcome = await intake.pipeline.run(frame)
        won = await intake.committer.commit([outcome])
        assert won == {outcome.step.place}, "nobody else commits here"

    warming, *frames = [_frame(records[start : start + FRAME], start) for start in range(0, len(records), FRAME)]
    await work(warming)
    count = sum(len(frame.records) for frame in frames)
    gc.collect()  # what the variant before left behind is not this one's cost
    used, client = server(), time.process_time()
    for frame in frames:
        await work(frame)
    client, used = time.process_time() - client, server() - used
    return Cost(client / count * 1e6, used / count * 1e6)


def _frame(records: Sequence[SignedRecord], first: int) -> RecordBatch:
    raw = [
        ConsumerRecord(
            RUN, 0, offset, 0, 0, each.key, each.value, None, len(each.key), len(each.value), tuple(each.headers)
        )
        for offset, each in enumerate(records, start=first)
    ]
    return RecordBatch(RUN, 0, first, first + len(raw), first == 0, raw)


def _steps(provider: KeyProvider) -> dict[str, float]:
    """CPU µs to seal four fields, and a message's bytes, by suite."""
    found, record, evidence = {}, bytes(16), os.urandom(EVIDENCE_BYTES)
    for suite in Suite:
        keys = TierKeys()
        for tier in (2, 3):
            keys.add(new_tier_key(Scope(TENANT, DOMAIN, tier, 1, suite), provider, os.urandom), provider)
        sealing = SealingPass(1, TENANT, keys)
        found[f"{suite} four fields"] = _microseconds(partial(sealing.seal_fields, DOMAIN, record, FIELDS))
        found[f"{suite} evidence"] = _microseconds(partial(sealing.seal_evidence, DOMAIN, record, 3, evidence))
    return found


def _microseconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    for _ in range(CALLS):
        work()
    return (time.process_time() - started) / CALLS * 1e6


def _found(options: TrustOptions, costs: Mapping[str, Sequence[Cost]], steps: Mapping[str, float]) -> Found:
    whole = {name: [cost.whole for cost in each] for name, each in costs.items()}
    share = median([1 - plain / sealed for plain, sealed in zip(whole["plain"], whole["sealed"], strict=True)])
    lift = median([single / batch for single, batch in zip(whole["sealed"], whole["batch"], strict=True)])
    names = {
        "sealed": "the product: single signatures, sealed",
        "plain": "… plain storage instead of sealing",
        "batch": f"… attested in batches of {BATCH}, sealed",
    }
    rows = [
        (title, *(f"{median([pick(cost) for cost in costs[name]]):.0f}" for pick in _PICKS))
        for name, title in names.items()
    ]
    return Found(
        broker="no broker",
        setting=[
            f"{options.records:,} records in frames of {FRAME}, one process and its database on this machine; medians "
            f"of {options.rounds} rounds, ratios round by round. Fetching from Kafka is in none of them. Plain storage "
            "keeps blind terms, leaves and signatures; it has no ciphers, salts, commitments and data keys.",
            f"Steps: the least of as many rounds; evidence of {EVIDENCE_BYTES:,} bytes.",
        ],
        figures={"encryption": share, "batch/single": lift} | dict(steps),
        tables=[
            Table("CPU µs a record", ("", "process", "PostgreSQL", "both"), rows),
            Table("CPU µs of sealing", ("", "µs"), [(name, f"{value:.1f}") for name, value in steps.items()]),
        ],
    )


_PICKS: Final[Sequence[Callable[[Cost], float]]] = (lambda c: c.client, lambda c: c.server, lambda c: c.whole)

PART = Part(
    name="trust",
    what=__doc__,
    measure=measure_trust,
    full=TrustOptions(),
    quick=TrustOptions(records=1_500, rounds=1),
)

if __name__ == "__main__":
    PART.main()
