"""Leaves committed and placed, and what of the pipeline's work they are; for `bench.log`."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from statistics import median
from typing import Final

from agents.commits.leaves import LeafBatch, LogRef
from agents.log.sequencer import Sequencer
from agents.platform.identity import Identity
from bench.filling import processed_frame
from bench.intake import open_intake
from bench.log_findings import Told, percentile
from bench.log_writers import Written, write, writers
from bench.servers import TENANT, Servers
from schemas.leaf import Leaf, decode_leaf
from sealstream.settings import Settings
from security.commit_signature import WorkerKey
from streams.storage import sequencing
from streams.storage.database import Database
from streams.storage.log_tree import leaf_bodies
from streams.storage.relaying import RelayPosition

PROCESSES: Final = 2
FRAME: Final = 500


async def sequenced(
    settings: Settings,
    dsn: str,
    database: Database,
    identity: Identity,
    commits: int,
    leaves: int,
    told: Told,
) -> None:
    steps: list[float] = []

    def probe(point: str) -> None:
        if point == "placed":
            steps.append(time.monotonic())

    sequencer = Sequencer(database, identity.signer_of, identity.authority(), nothing_published, probe=probe)
    running = asyncio.create_task(sequencer.run())
    with writers(PROCESSES) as pool:
        written = await _write(pool, settings, dsn, commits, leaves)
        count = sum(len(each.commits) for each in written) * leaves
        end = await covered(database, count)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    begin = min(each.began for each in written)
    told.figures["leaves"] = count / (end - begin)
    lags = await _lags(database, written, steps)
    told.figures["lag_p99"] = percentile(lags, 0.99)
    told.rows += [
        ("leaves committed, sequenced and under a checkpoint, durable", f"{told.figures['leaves']:,.0f}/s"),
        ("from a commit to its place, p50", f"{median(lags):.0f} ms"),
        ("from a commit to its place, p99", f"{told.figures['lag_p99']:.0f} ms"),
    ]


async def _write(pool: ProcessPoolExecutor, settings: Settings, dsn: str, commits: int, leaves: int) -> list[Written]:
    loop = asyncio.get_running_loop()
    return await asyncio.gather(
        *(loop.run_in_executor(pool, write, settings, dsn, commits, leaves) for _ in range(PROCESSES))
    )


async def covered(database: Database, leaves: int) -> float:
    """When a checkpoint was seen to cover all of them."""
    async with database.session() as connection:
        (row,) = [row for row in await sequencing.list_logs(connection) if row.tenant == TENANT]
        while True:
            last = await sequencing.last_checkpoint(connection, row.log_id)
            if last is not None and last[0] >= leaves:
                return time.monotonic()
            await asyncio.sleep(0.01)


async def _lags(database: Database, written: Sequence[Written], steps: Sequence[float]) -> list[float]:
    """Milliseconds from each commit's being durable to the first step after it that placed something.

    A step takes everything that was committed before it read; what it did not take waits for the next one.
    """
    done = sorted(moment for each in written for moment in each.commits.values())
    lags, at = [], 0
    for moment in done:
        while at < len(steps) and steps[at] < moment:
            at += 1
        if at < len(steps):
            lags.append((steps[at] - moment) * 1_000)
    return lags


async def records(servers: Servers, database: Database, count: int, told: Told) -> None:
    """Real records, whose fields open; and what of this process's CPU the log took."""
    intake = await open_intake(database, servers.settings, group="log", cluster="log")
    records = list(servers.records(count))
    began = time.process_time()
    for start in range(0, count, FRAME):
        await intake.committer.commit([await processed_frame(intake, records[start : start + FRAME], start)])
    whole = time.process_time() - began
    identity = intake.identity
    sequencer = Sequencer(database, identity.signer_of, identity.authority(), nothing_published)
    async with database.session() as connection:
        # Its first round takes the logs over; what it costs to place a leaf is what comes after.
        began = time.process_time()
        while await sequencer.step(connection):
            pass
        placing = time.process_time() - began
        (row,) = [row for row in await sequencing.list_logs(connection) if row.tenant == TENANT]
        leaves = [decode_leaf(body) for body in await leaf_bodies(connection, row.log_id, 0, count)]
    building = _building(leaves, intake.worker, LogRef(row.log_id, row.tenant, row.origin))
    told.figures["log_share"] = (building + placing) / (whole + placing)
    told.rows.append(
        ("the log's share of the pipeline's CPU, without the database's", f"{told.figures['log_share']:.0%}")
    )


def _building(leaves: Sequence[Leaf], worker: WorkerKey, log: LogRef) -> float:
    """CPU seconds of encoding, hashing and signing these leaves, the least of three."""
    took = []
    for _ in range(3):
        began = time.process_time()
        for start in range(0, len(leaves), FRAME):
            batch = LeafBatch(1, worker)
            for leaf in leaves[start : start + FRAME]:
                batch.add(log, leaf)
            batch.commit_rows()
            batch.bundle_rows()
        took.append(time.process_time() - began)
    return min(took)


async def nothing_published() -> dict[str, RelayPosition]:
    return {}
