"""Latency at a steady rate: from the moment a message was made for Kafka to the commit that holds its result."""

import datetime as dt
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bench.cpu import cpu_seconds
from bench.gate import open_gate
from bench.harness import BenchError, RunPlan, check, staged
from bench.records import SignedRecord, publish_paced
from bench.servers import Feed, Servers
from streams.storage import progress
from streams.storage.database import Connection


@dataclass(frozen=True, slots=True)
class PacedRun:
    """Latency of a variant, from CreateTime to the commit's timestamp.

    Attributes:
        asked: Records a second it was meant to get.
        rate: Records a second it got.
        p50: Milliseconds.
        p99: Milliseconds.
        cpu: CPU seconds by kind of process.
    """

    plan: RunPlan
    asked: float
    rate: float
    p50: float
    p99: float
    cpu: dict[str, float]


async def measure_paced(
    servers: Servers, feed: Feed, plan: RunPlan, records: Sequence[SignedRecord], rate: float, topic: str
) -> PacedRun:
    """Publish signed records evenly spaced to an empty topic while the variant works; the publisher is this process.

    Raises:
        BenchError: It stalled, a worker ended, or not every record has a result.
    """
    async with AsyncExitStack() as stack:
        stage = await staged(stack, servers, feed, plan, topic, topic.replace("-", "_"))

        async def committed(connection: Connection) -> bool:
            return await progress.consumed(connection, stage.settings.group) >= len(records)

        used = cpu_seconds(stage.kinds)
        since = dt.datetime.now(dt.UTC)
        open_gate(stage.directory)
        reached = await publish_paced(feed.broker.bootstrap_servers, topic, records, rate)
        await stage.until(committed)
        cpu = {kind: seconds - used[kind] for kind, seconds in cpu_seconds(stage.kinds).items()}
        async with stage.database.session() as connection:
            await check(connection, len(records))
            latency = await progress.latency_since(connection, since)
        if latency is None:
            raise BenchError("no message of the paced run was found")
        return PacedRun(plan, rate, reached, latency.p50, latency.p99, cpu)
