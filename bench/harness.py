"""One measured run of a variant: fresh database, workers behind the gate, the clock, and what it found."""

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from bench.brokers import Broker
from bench.memory import resident_megabytes
from bench.processes import variant_workers
from bench.records import Payload
from bench.servers import Feed, Servers
from bench.stage import BenchError, Stage
from bench.variants import Variant
from bench.variants.tuned import Tuned, instruct
from sealstream.running.supervisor import worker_processes
from sealstream.wiring import create_all_topics
from streams.storage import progress
from streams.storage.database import Connection, Database

RELAY: Final = ("sequence", "relay")


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What to run.

    Attributes:
        relay: Whether the sequencer and the relay run beside the workers.
        tuned: Other batches than the variant's best.
    """

    variant: Variant
    workers: int
    records: int
    relay: bool = True
    payload: Payload = Payload.BRIEF
    tuned: Tuned | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a run came to.

    Attributes:
        seconds: From the opening of the gate to the last commit.
        cpu: CPU seconds by kind of process, from the gate until everything was committed and relayed.
        commits: Rows of table `commits`: one for each commit here, since all records belong to one tenant.
        relay_lag: Most leaves that were committed and not yet published, as seen every 50 ms.
        relay_seconds: From the last commit until everything was published; None without the relay.
        megabytes: Resident memory of the largest worker at the end.
    """

    plan: RunPlan
    seconds: float
    cpu: dict[str, float]
    commits: int
    relay_lag: int
    relay_seconds: float | None
    megabytes: float

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.plan.records / self.seconds


@dataclass(frozen=True, slots=True)
class Run:
    """A stage with its database, and a connection to look at it with."""

    stage: Stage
    connection: Connection

    async def consumed(self) -> int:
        """Records committed."""
        return await progress.consumed(self.connection, self.stage.settings.group)


@asynccontextmanager
async def staged(servers: Servers, broker: Broker, plan: RunPlan, topic: str, run: str) -> AsyncIterator[Run]:
    """Start everything for a run on one topic; the body begins when every worker has its partitions.

    Args:
        run: Names database and consumer group; used once.
    """
    directory = servers.directory / run
    directory.mkdir(mode=0o700)
    if plan.tuned is not None:
        instruct(directory, plan.tuned)
    async with AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(servers.database(run))
        # A fresh database has published nothing: its relay's positions are its own too.
        own = {
            "database_url": SecretStr(dsn),
            "group": run,
            "topics_in": (topic,),
            "positions_topic": f"positions-{run}",
        }
        settings = broker.settings(servers.settings).model_copy(update=own)
        await create_all_topics(settings, [])
        database = await stack.enter_async_context(Database(dsn, name="bench harness", connections=1))
        workers = await stack.enter_async_context(
            variant_workers(settings, plan.variant.module, plan.workers, directory)
        )
        relay = await stack.enter_async_context(worker_processes(settings, [RELAY])) if plan.relay else []
        kinds = {
            "workers": [each.process.pid for each in workers],
            "relay": [each.pid for each in relay],
            "postgres": [servers.postgres.pid],
            "broker": [broker.pid],
        }
        stage = Stage(settings, directory, [*workers, *relay], kinds)
        await stage.joined(plan.workers, settings.partitions)
        yield Run(stage, await stack.enter_async_context(database.session()))


async def measure(servers: Servers, feed: Feed, plan: RunPlan, run: str) -> Measurement:
    """Run a variant over the whole topic of its size.

    Raises:
        BenchError: It stalled, a worker ended, or not every record has a result.
    """
    topic = feed.topics[plan.payload, plan.records]
    async with staged(servers, feed.broker, plan, topic, run) as running:
        stage, connection = running.stage, running.connection
        lag = 0

        async def committed() -> bool:
            nonlocal lag
            lag = max(lag, await unpublished(connection)) if plan.relay else 0
            return await running.consumed() >= plan.records

        async def published() -> bool:
            return not await unpublished(connection)

        since = dt.datetime.now(dt.UTC)
        used = stage.open()
        await stage.until(committed)
        until = await progress.last_commit_at(connection, since)
        assert until is not None
        relay_seconds = None
        if plan.relay:
            await stage.until(published)
            relay_seconds = max(0.0, (dt.datetime.now(dt.UTC) - until).total_seconds())
        return Measurement(
            plan=plan,
            seconds=(until - since).total_seconds(),
            cpu=stage.used_since(used),
            commits=await check(connection, plan.records),
            relay_lag=lag,
            relay_seconds=relay_seconds,
            megabytes=max(resident_megabytes(pid) or 0 for pid in stage.kinds["workers"]),
        )


async def unpublished(connection: Connection) -> int:
    """Leaves that are committed and not yet published, sequenced or not."""
    found: int = await connection.fetchval(
        """
        SELECT (SELECT coalesce(sum(leaf_count), 0) FROM commits)
            - coalesce(sum((SELECT max(position) FROM relay_steps r WHERE r.log_id = l.log_id)), 0)
        FROM logs l
        """
    )
    return int(found)


async def check(connection: Connection, records: int) -> int:
    """Every record must have its result, its leaf and its place in the log; returns the number of commits.

    Raises:
        BenchError: Something is missing or too many.
    """
    row = await connection.fetchrow(
        """
        SELECT (SELECT count(*) FROM results) AS results, (SELECT count(DISTINCT record_id) FROM results) AS records,
            coalesce(sum(leaf_count), 0) AS leaves, count(*) AS commits
        FROM commits WHERE watermark <> ''  -- registering the producer's key is a commit too
        """
    )
    assert row is not None
    if not row["results"] == row["records"] == row["leaves"] == records:
        raise BenchError(
            f"{records} records came to {row['results']} results, {row['records']} different, {row['leaves']} leaves"
        )
    return int(row["commits"])
