"""Audits, looks and proofs; for `bench.log`."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from typing import Final
from uuid import uuid4

from agents.audit import Depth
from agents.log.tile_cache import TileCache
from agents.log.tree import SignedTree
from agents.opening.reading import Reader
from agents.platform.identity import Identity
from agents.platform.knowledge import load_knowledge
from bench.log_findings import Told, percentile
from bench.log_tree import plant
from bench.servers import TENANT
from sealstream.audit.auditing import audit
from sealstream.settings import Settings
from streams.storage.database import Database

PROOFS: Final = 200
READERS: Final = 50


async def audited(settings: Settings, depth: Depth, told: Told) -> None:
    began = time.monotonic()
    report = await audit(settings, depth=depth)
    seconds = time.monotonic() - began
    if not report.ok:
        raise RuntimeError(f"the benchmark's own log does not verify: {report.findings[:3]}")
    (log,) = [log for log in report.logs if log.tenant == TENANT]
    told.figures[f"verify_{depth}"] = log.size / seconds
    what = f"{log.size / seconds:,.0f} leaves/s"
    if depth is Depth.CHECKPOINTS:
        what = f"{log.checkpoints} checkpoints over {log.size:,} leaves in {seconds:.2f} s"
    told.rows.append((f"audit verify --depth {depth}", what))


async def looks(database: Database, identity: Identity, looks: int, told: Told) -> None:
    knowledge = await load_knowledge(database, identity, max_tier=1)
    reader = Reader(database, identity, knowledge, identity.new_worker(), tier=1, actor="bench")
    log_id = next(log.log_id for log in (owner.log for owner in knowledge.owners.values()) if log.tenant == TENANT)
    took: list[float] = []

    async def one_after_the_other(count: int) -> None:
        for _ in range(count):
            began = time.perf_counter()
            await reader.log_look("read", {log_id: [uuid4()]})
            took.append((time.perf_counter() - began) * 1_000)

    # A process that has just started registers its key and prepares its statements; that is no look's own time.
    await reader.log_look("read", {log_id: [uuid4()]})
    began = time.perf_counter()
    await asyncio.gather(*(one_after_the_other(looks // READERS) for _ in range(READERS)))
    rate = len(took) / (time.perf_counter() - began)
    told.figures |= {"look_p50": median(took), "look_p99": percentile(took, 0.99), "looks": rate}
    told.rows += [
        (f"a look by one of {READERS} readers at a time, durable, p50", f"{told.figures['look_p50']:.1f} ms"),
        (f"a look by one of {READERS} readers at a time, durable, p99", f"{told.figures['look_p99']:.1f} ms"),
        ("… together", f"{rate:,.0f}/s"),
    ]


async def proofs(database: Database, identity: Identity, size: int, told: Told) -> None:
    async with database.session() as connection:
        row = await plant(connection, identity, f"bench-{size}", size)
        cache = TileCache()
        tree = await SignedTree.newest(connection, row, cache)
        indexes = [(size * n + n * n) // PROOFS % size for n in range(PROOFS)]
        first = await _milliseconds(indexes, lambda index: tree.inclusion([index]))
        # Of other leaves: a process that serves proofs has kept the upper tiles by then, and no tile of leaves.
        alone = await _milliseconds([(each + size // 3) % size for each in indexes], lambda n: tree.inclusion([n]))
        began = time.perf_counter()
        await tree.inclusion(indexes)
        batch = (time.perf_counter() - began) * 1_000 / len(indexes)
        old = [max(1, index) for index in indexes]
        consistency = await _milliseconds(old, tree.consistency)
    told.figures |= {f"proof_{size}": median(alone), f"proof_p99_{size}": percentile(alone, 0.99)}
    told.rows += [
        (
            f"inclusion proof among {size:,} leaves, p50 and p99",
            f"{median(alone):.2f} ms, {percentile(alone, 0.99):.2f} ms",
        ),
        (f"… the first {PROOFS} of a process", f"{median(first):.2f} ms, {percentile(first, 0.99):.2f} ms"),
        (f"… {PROOFS} at once, each", f"{batch:.2f} ms"),
        ("consistency proof, p50", f"{median(consistency):.2f} ms"),
    ]


async def _milliseconds(items: Sequence[int], ask: Callable[[int], Awaitable[object]]) -> list[float]:
    took = []
    for item in items:
        began = time.perf_counter()
        await ask(item)
        took.append((time.perf_counter() - began) * 1_000)
    return took
