"""`python -m bench.steps`: CPU µs of each step of a record's way, in one process: the stage functions one by one."""

import datetime as dt
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from aiokafka import ConsumerRecord

from agents.commits.leaves import LeafBatch
from agents.commits.outcomes import FrameOutcome, MessageOutcome
from agents.commits.recording import Recorder
from agents.inference.slots import Slot
from agents.inference.transaction_kind import load_default_engine
from agents.intake.classification import Classifier
from agents.intake.door import Intake
from agents.intake.interpretation import Interpreter
from agents.intake.sealing_stage import SealingStage
from bench.findings import Found, Table
from bench.intake import IntakeBench, open_intake
from bench.parts import Options, Part, option
from bench.records import Payload, SignedRecord
from bench.servers import Servers, running_servers
from schemas.events import Event, decode_event
from security.blind_terms import BlindIndex
from security.dsse import decode_either_base64, decode_envelope
from security.sealing import SealingPass
from security.verifiability import verify_event
from streams.storage.commit import Claims
from streams.storage.database import Database
from streams.storage.ids import IdBlock
from streams.storage.watermarks import Mark, WatermarkStep, encode_watermark

FRAME: Final = 500
REPEATS: Final = 5
CLUSTER: Final = "steps"
TOPIC: Final = "steps"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a record's way.

    Attributes:
        part_of: The step it is a part of; steps without one add up to the whole.
        microseconds: For one record: of each frame the least of all repeats, because whatever else runs on the machine
            only adds to it.
    """

    name: str
    part_of: str | None
    microseconds: float


# What is measured, in the order of a record's way, with what it is a part of.
_STEPS: Final[Mapping[str, str | None]] = {
    "verify": None,
    "decode event": "verify",
    "check signature": "verify",
    "decode and match signed payload": "verify",
    "pack evidence, name, identity": "verify",
    "interpret": None,
    "classify": None,
    "seal": None,
    "blind terms": "seal",
    "seal fields": "seal",
    "seal evidence": "seal",
    "commit": None,
    "build leaves and rows": "commit",
    "claims and COPY, client side": "commit",
}


@dataclass(frozen=True, slots=True)
class StepOptions(Options):
    """How much to measure."""

    records: int = option(10_000, "records, in frames of 500")
    payload: str = option(Payload.BRIEF.value, "brief or full", choices=tuple(Payload))


async def measure(options: StepOptions) -> Found:
    """Measure every step.

    Raises:
        SealstreamError: Something could not be started.
    """
    async with running_servers() as servers:
        steps = await measure_steps(servers, list(servers.records(options.records, Payload(options.payload))))
    whole = sum(step.microseconds for step in steps if step.part_of is None)
    rows = [
        (
            f"{'… ' if step.part_of else ''}{step.name}",
            f"{step.microseconds:.1f}",
            f"{step.microseconds / whole:.0%}",
        )
        for step in steps
    ]
    return Found(
        broker="no broker",
        setting=[
            f"{options.records:,} records ({options.payload} payload) in frames of {FRAME}, one process, the "
            f"database on the same machine; of each frame the least of {REPEATS} repeats, each with empty "
            "caches at first. Fetching is not among the steps."
        ],
        figures={"whole": whole} | {step.name: step.microseconds for step in steps},
        tables=[Table("CPU µs a record", ("", "µs", "share"), [*rows, ("in all", f"{whole:.1f}", "")])],
    )


async def measure_steps(servers: Servers, records: Sequence[SignedRecord]) -> list[Step]:
    """Measure every step. Fetching is not among them; it is in the CPU seconds of the runs."""
    frames = [_frame(records[start : start + FRAME], start) for start in range(0, len(records), FRAME)]
    repeats: list[dict[str, list[float]]] = []
    for repeat in range(REPEATS):
        async with servers.database(f"steps_{repeat}") as dsn, Database(dsn, name="bench steps") as database:
            intake = await open_intake(database, servers.settings, group=CLUSTER, cluster=CLUSTER)
            repeats.append(await _Bench(database, intake).measure(frames))
    best = {name: sum(map(min, *(each[name] for each in repeats))) for name in repeats[0]}
    best["decode and match signed payload"] = best.pop("verify event") - best["check signature"]
    best["pack evidence, name, identity"] = (
        best["verify"] - best["decode event"] - best["check signature"] - best["decode and match signed payload"]
    )
    best["claims and COPY, client side"] = best["commit"] - best["build leaves and rows"]
    return [Step(name, part_of, best[name] / len(records) * 1e6) for name, part_of in _STEPS.items()]


class _Bench:
    """The stages of one repeat, and the CPU seconds of each step for each frame so far."""

    def __init__(self, database: Database, parts: IntakeBench) -> None:
        knowledge, keyring = parts.knowledge, parts.identity.keyring
        self._parts = parts
        self._knowledge = knowledge
        self._blind = BlindIndex(keyring)
        self._pass_ids = IdBlock(database, "pass_ids")
        self._intake = Intake(CLUSTER, knowledge.registry, knowledge.owners, knowledge.platform, keyring.index_key)
        self._interpreter = Interpreter(knowledge.catalogue, keyring.index_key)
        self._classifier = Classifier(Slot(load_default_engine()))
        self._sealing = SealingStage(knowledge.catalogue, knowledge.tier_keys, self._blind, self._pass_ids)
        self._seconds: defaultdict[str, list[float]] = defaultdict(list)

    async def measure(self, frames: Sequence[Sequence[ConsumerRecord]]) -> dict[str, list[float]]:
        """CPU seconds of each step for each frame."""
        for frame in frames:
            await self._pass_ids.refill(10)
            await self._frame(frame)
        return dict(self._seconds)

    async def _frame(self, records: Sequence[ConsumerRecord]) -> None:
        self._verification(records)
        messages = self._timed("verify", lambda: self._intake.verify(records))
        self._timed("interpret", lambda: self._interpret(messages))
        self._timed("classify", lambda: self._classifier.classify(messages))
        self._parts_of_sealing(messages)
        data_keys = self._timed("seal", lambda: self._sealing.seal(messages))
        first = records[0].offset
        step = WatermarkStep(TOPIC, 0, first, records[-1].offset + 1, first == 0, Mark(last_digest=bytes(16)))
        outcome = FrameOutcome(step, messages, data_keys, self._knowledge.revision)
        self._timed("build leaves and rows", lambda: self._record(outcome))
        started = time.process_time()
        await self._parts.committer.commit([outcome])
        self._seconds["commit"].append(time.process_time() - started)

    def _interpret(self, messages: Sequence[MessageOutcome]) -> None:
        for message in messages:
            self._interpreter.interpret(message)

    def _verification(self, records: Sequence[ConsumerRecord]) -> None:
        registry = self._knowledge.registry
        events = self._timed("decode event", lambda: [decode_event(each.headers, each.value) for each in records])
        self._timed("verify event", lambda: [verify_event(event, registry, 0) for event in events])
        signatures = [self._signature(event) for event in events]
        self._timed("check signature", lambda: [check(message, bits) for check, message, bits in signatures])

    def _signature(self, event: Event) -> tuple[Callable[[bytes, bytes], None], bytes, bytes]:
        assert event.dssematerial is not None
        envelope = decode_envelope(decode_either_base64(event.dssematerial, "the attribute"))
        (signature,) = envelope.signatures
        (key,) = self._knowledge.registry.candidates(event.source, event.type, signature.key_id)
        return key.verify, envelope.signed_bytes(), signature.sig

    def _parts_of_sealing(self, messages: Sequence[MessageOutcome]) -> None:
        """The parts of sealing by themselves, on values that the stage has not cleared yet."""
        owner = messages[0].owner
        tenant, domain = owner.log.tenant, owner.domain
        specs = self._knowledge.catalogue.fields(tenant, messages[0].items[0].catalogue_type)
        searched = [
            (name, spec.search, value.decode())
            for message in messages
            for name, value in message.items[0].values
            if (spec := specs[name]).search is not None
        ]
        fields = [
            (message.message_id, [(name, specs[name].tier, value) for name, value in message.items[0].values])
            for message in messages
        ]
        sealing = SealingPass(0, tenant, self._knowledge.tier_keys)
        self._timed(
            "blind terms", lambda: [self._blind.term(tenant, name, search, text) for name, search, text in searched]
        )
        self._timed("seal fields", lambda: [sealing.seal_fields(domain, name, each) for name, each in fields])
        tier = self._knowledge.catalogue.evidence_tier(tenant, messages[0].items[0].catalogue_type)
        self._timed(
            "seal evidence",
            lambda: [sealing.seal_evidence(domain, each.message_id, tier, each.evidence) for each in messages],
        )

    def _record(self, outcome: FrameOutcome) -> object:
        batch = LeafBatch(1, self._parts.worker, encode_watermark(CLUSTER, CLUSTER, [outcome.step]))
        claims = Claims({outcome.step.place}, {}, {})
        return Recorder(batch, dt.datetime.now(dt.UTC), self._parts.pipeline.refuse).record([outcome], claims)

    def _timed(self, name: str, work: Callable[[], T]) -> T:
        started = time.process_time()
        result = work()
        self._seconds[name].append(time.process_time() - started)
        return result


def _frame(records: Sequence[SignedRecord], first: int) -> list[ConsumerRecord]:
    return [
        ConsumerRecord(
            TOPIC, 0, offset, 0, 0, each.key, each.value, None, len(each.key), len(each.value), tuple(each.headers)
        )
        for offset, each in enumerate(records, start=first)
    ]


PART = Part(
    name="steps",
    what=__doc__,
    measure=measure,
    full=StepOptions(),
    quick=StepOptions(records=1_000),
)

if __name__ == "__main__":
    PART.main()
