"""What observation costs a frame, as a share of the frame's own CPU time: `python -m bench.observation`.

The difference of two runs would drown in noise. So the frame is timed without an observer, and then the same calls that
it makes to one, a thousand times over.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

from aiokafka import ConsumerRecord
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from agents.commits.observation import CommitMade, Observer, TurnMarks
from agents.commits.outcomes import FrameOutcome
from agents.commits.record_batch import RecordBatch
from agents.inference.transaction_kind import load_default_engine
from agents.intake.setup import IntakeParts
from agents.keys.registrar import NewKey, Registrar
from agents.platform.identity import Identity
from agents.platform.knowledge import load_knowledge
from sealstream.client import Signer
from sealstream.feeds import TRANSACTION_TYPE
from sealstream.observe.both import Both
from sealstream.observe.metrics import Metrics
from sealstream.observe.tracing import Traces
from sealstream.producing.open_feed import open_feed
from sealstream.producing.signed_items import sign_item
from security.file_keyring import FileKeyring
from security.signing import Ed25519Signer
from streams.embedded import DataDirectory, EmbeddedPostgres
from streams.storage import keys
from streams.storage.commit_rows import CommitRows
from streams.storage.database import Database
from streams.storage.migrate import migrate

SIZES: Final = (1, 64, 500)
FRAMES: Final = 12
CALLS: Final = 1_000
SOURCE: Final = "urn:bench:observation"
SIGNER: Final = Ed25519Signer("bench", b"b" * 32)
ALL_GOOD: Final = {("result", "booked", ""): 480, ("result", "pending", ""): 20}


async def measure() -> None:
    """Print the share for each size of frame."""
    records = _records(sum(SIZES) * FRAMES)
    with DataDirectory() as directory:
        async with EmbeddedPostgres(Path(directory) / "postgres", temporary=True) as postgres:
            await migrate(postgres.dsn)
            async with Database(postgres.dsn, name="bench", connections=4) as database:
                identity = Identity(FileKeyring(Path(directory) / "keys"), "bench/logs")
                await Registrar(database, identity).register(
                    NewKey(name="bench", jwk=SIGNER.jwk, tenant="bank-a", domain="payments", sources=[SOURCE])
                )
                print(f"{'records':>8} {'frame':>12} {'metrics':>20} {'metrics and traces':>20}")
                start = 0
                for size in SIZES:
                    frames = [records[at : at + size] for at in range(start, start + size * FRAMES, size)]
                    start += size * FRAMES
                    await _one_size(database, identity, frames)


async def _one_size(database: Database, identity: Identity, frames: Sequence[Sequence[ConsumerRecord]]) -> None:
    worker = identity.new_worker()
    async with database.session() as connection:
        await keys.register_worker(connection, worker.worker_id, worker.public_key, worker.certificate)
    knowledge = await load_knowledge(database, identity)
    group = f"g{len(frames[0])}"
    parts = IntakeParts(database, identity, knowledge, worker, load_default_engine(), group=group, cluster="bench")
    seconds = []
    for number, frame in enumerate(frames):
        batch = RecordBatch("t", 0, frame[0].offset, frame[-1].offset + 1, number == 0, frame)
        began = time.process_time()
        outcome = await parts.pipeline.run(batch)
        await parts.committer.commit([outcome])
        seconds.append(time.process_time() - began)
    own = median(seconds)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    metrics = Metrics(CollectorRegistry())
    shown = []
    for observer in (metrics, Both(metrics, Traces(provider.get_tracer("bench")))):
        cost = cost_of(observer, batch, outcome)
        shown.append(f"{cost * 1e6:8.0f} µs {100 * cost / own:5.2f} %")
    provider.shutdown()
    print(f"{len(frames[0]):8} {own * 1e6:9.0f} µs {shown[0]:>20} {shown[1]:>20}")


def cost_of(observer: Observer, batch: RecordBatch, outcome: FrameOutcome) -> float:
    """CPU seconds of everything that one frame tells, with what is computed for it."""
    count = len(outcome.messages)
    rows = CommitRows(messages=[(None,) * 7 + ("accepted",)] * count, results=[(None,) * 9 + ("booked",)] * count)
    began = time.process_time()
    for _ in range(CALLS):
        watch = observer.frame(batch)
        moment = time.perf_counter()
        marks = TurnMarks(moment, time.perf_counter(), time.perf_counter(), time.perf_counter(), moment)
        watch.turn(count, marks)
        rows.outcomes(count)
        made = CommitMade(1, moment, moment, 1, len(batch.records), ALL_GOOD)
        observer.committed(made)
        watch.committed(made)
    return (time.process_time() - began) / CALLS


def _records(count: int) -> list[ConsumerRecord]:
    items = (item for item in open_feed(f"sample:clean-{count}").items() if item.type == TRANSACTION_TYPE)
    made = []
    signer = Signer(SOURCE, SIGNER)
    for offset, item in zip(range(count), items, strict=False):
        headers, value, key = sign_item(item, signer)
        made.append(ConsumerRecord("t", 0, offset, 0, 0, key, value, None, len(key), len(value), tuple(headers)))
    return made


if __name__ == "__main__":
    asyncio.run(measure())
