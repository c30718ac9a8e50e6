"""Processes that commit leaves and nothing else, as workers do: bundles with a root and a worker's signature.

Each writes commit after commit on one connection, and tells when each was durable, by the clock that all share.
"""

import asyncio
import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from agents.commits.leaves import LeafBatch, LogRef
from bench.servers import TENANT
from schemas.leaf import LEAF_VERSION, NewLeaf
from sealstream.settings import Settings
from sealstream.wiring import open_identity
from streams.storage import keys, sequencing
from streams.storage.commit import Claims, CommitRequest, CommitStore
from streams.storage.commit_rows import CommitRows
from streams.storage.database import Database
from streams.storage.ids import IdBlock

FIELDS: Final = ("account", "amount", "booking_date", "confidence", "counterparty_name", "currency")


@dataclass(frozen=True, slots=True)
class Written:
    """What one process did.

    Attributes:
        commits: Commit id to when it was durable, seconds of the monotonic clock.
        began: When it began, likewise.
    """

    commits: dict[int, float]
    began: float


@contextmanager
def writers(count: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that wait for work."""
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        # They have imported everything before the clock starts.
        for done in [pool.submit(time.sleep, 0.5) for _ in range(count)]:
            done.result()
        yield pool


def write(settings: Settings, dsn: str, commits: int, leaves: int) -> Written:
    """Commit so many times so many leaves."""
    return asyncio.run(_write(settings, dsn, commits, leaves))


async def _write(settings: Settings, dsn: str, commits: int, leaves: int) -> Written:
    identity = open_identity(settings)
    worker = identity.new_worker()
    async with Database(dsn, name="log writer", connections=2) as database:
        async with database.session() as connection:
            await keys.register_worker(connection, worker.worker_id, worker.public_key, worker.certificate)
            (log,) = [row for row in await sequencing.list_logs(connection) if row.tenant == TENANT]
        ids, store = IdBlock(database, "commit_ids"), CommitStore(database, group="", cluster="")
        reference = LogRef(log.log_id, log.tenant, log.origin)
        began, done = time.monotonic(), {}
        for _ in range(commits):
            await ids.refill(1)
            number = ids.take()
            batch = LeafBatch(number, worker)
            for _ in range(leaves):
                batch.add(reference, _leaf(number))
            rows = CommitRows(commits=batch.commit_rows(), bundles=batch.bundle_rows())
            await store.commit(CommitRequest(number, (), (), (), partial(_rows, rows)))
            done[number] = time.monotonic()
    return Written(done, began)


def _rows(rows: CommitRows, _: Claims) -> CommitRows:
    return rows


def _leaf(commit: int) -> NewLeaf:
    """A leaf of the size that a classified transaction's has."""
    random = os.urandom(32 * len(FIELDS))
    return NewLeaf(
        v=LEAF_VERSION,
        commit=commit,
        kind="result",
        outcome="booked",
        time="2026-01-05T08:00:00.000Z",
        record="5f1f1a4e-6a0f-4a86-9a58-0d0c7bb0f6f1",
        message="5f1f1a4e-6a0f-4a86-9a58-0d0c7bb0f6f1",
        model="transaction_kind@1.0.0 sha256:65ce62964a67ec15f7295ba59ad5fb8e2ff003aa2425a2d427783de2440adead",
        digest=random[:32],
        fields={name: random[32 * n : 32 * n + 32] for n, name in enumerate(FIELDS)},
        signer="bench",
        source="urn:bench",
        type="io.sealstream.transaction.v1",
    )
