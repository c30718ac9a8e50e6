"""One measured run of a variant: fresh database, workers behind the gate, the clock, and what it found."""

import asyncio
import datetime as dt
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from bench.cpu import Kinds, cpu_seconds
from bench.gate import assignments, open_gate
from bench.processes import variant_workers
from bench.servers import Feed, Servers
from bench.variants import Variant
from schemas.errors import SealstreamError
from sealstream.settings import Settings
from sealstream.supervisor import WorkerProcess, wait_for_end, worker_processes
from streams.storage import progress
from streams.storage.database import Connection, Database

POLL_SECONDS: Final = 0.05
STALL_LIMIT: Final = 60.0
RELAY: Final = ("sequence", "relay")


class BenchError(SealstreamError):
    """A run did not do what it should have; its numbers would mean nothing."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What to run.

    Attributes:
        relay: Whether the sequencer and the relay run beside the workers.
    """

    variant: Variant
    workers: int
    records: int
    relay: bool = True


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a run came to.

    Attributes:
        seconds: From the opening of the gate to the last commit.
        cpu: CPU seconds by kind of process, from the gate until everything was committed and relayed.
        commits: Rows of table `commits`: one for each commit here, since all records belong to one tenant.
        relay_lag: Most leaves that were committed and not yet published, as seen every 50 ms.
        relay_seconds: From the last commit until everything was published; None without the relay.
    """

    plan: RunPlan
    seconds: float
    cpu: dict[str, float]
    commits: int
    relay_lag: int
    relay_seconds: float | None

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.plan.records / self.seconds


@dataclass(slots=True)
class Stage:
    """A run whose workers have their partitions and wait."""

    settings: Settings
    database: Database
    directory: Path
    watched: list[WorkerProcess]
    kinds: Kinds = field(default_factory=dict)

    async def until(self, done: Callable[[Connection], Awaitable[object]]) -> None:
        """Poll until something holds.

        Raises:
            BenchError: It does not within the limit, or a worker ended.
        """
        ended = asyncio.create_task(wait_for_end(self.watched))
        deadline = time.monotonic() + STALL_LIMIT
        try:
            async with self.database.session() as connection:
                while not await done(connection):
                    if ended.done():
                        ended.result()
                    if time.monotonic() > deadline:
                        raise BenchError(f"nothing came of it within {STALL_LIMIT:g} s; {self.last_words()}")
                    await asyncio.sleep(POLL_SECONDS)
        except SealstreamError as exc:
            raise BenchError(f"{exc}; {self.last_words()}") from exc
        finally:
            ended.cancel()

    def last_words(self) -> str:
        """The end of each worker's log, whose file goes with the run."""
        return "; ".join(f"{each.name}: {each.log.read_text()[-1500:]}" for each in self.watched)


async def staged(stack: AsyncExitStack, servers: Servers, feed: Feed, plan: RunPlan, topic: str, run: str) -> Stage:
    """Start everything for a run on one topic; returns when every worker has its partitions.

    Args:
        stack: Owns what is started.
        run: Names database and consumer group; used once.
    """
    assert servers.settings.data_dir is not None
    directory = servers.settings.data_dir / run
    directory.mkdir(mode=0o700)
    dsn = await stack.enter_async_context(servers.database(run))
    settings = servers.settings.model_copy(
        update={
            "database_url": SecretStr(dsn),
            "kafka_bootstrap": feed.broker.bootstrap_servers,
            "group": run,
            "topics_in": (topic,),
        }
    )
    database = await stack.enter_async_context(Database(dsn, name="bench harness", connections=2))
    workers = await stack.enter_async_context(variant_workers(settings, plan.variant.name, plan.workers, directory))
    relay = await stack.enter_async_context(worker_processes(settings, [RELAY])) if plan.relay else []
    kinds: dict[str, Sequence[int]] = {
        "workers": [each.process.pid for each in workers],
        "relay": [each.process.pid for each in relay],
        "postgres": [servers.postgres.pid],
        "broker": [feed.broker.pid],
    }
    stage = Stage(settings, database, directory, [*workers, *relay], kinds)

    async def assigned(_: Connection) -> bool:
        found = assignments(directory)
        return len(found) == plan.workers and all(found) and sum(found) == settings.partitions

    await stage.until(assigned)
    return stage


async def measure(servers: Servers, feed: Feed, plan: RunPlan, run: str) -> Measurement:
    """Run a variant over the whole topic of its size.

    Raises:
        BenchError: It stalled, a worker ended, or not every record has a result.
    """
    async with AsyncExitStack() as stack:
        stage = await staged(stack, servers, feed, plan, feed.topics[plan.records], run)
        group = stage.settings.group
        lag = 0

        async def committed(connection: Connection) -> bool:
            nonlocal lag
            lag = max(lag, await unpublished(connection)) if plan.relay else 0
            return await progress.consumed(connection, group) >= plan.records

        async def published(connection: Connection) -> bool:
            return not await unpublished(connection)

        used = cpu_seconds(stage.kinds)
        since = dt.datetime.now(dt.UTC)
        open_gate(stage.directory)
        await stage.until(committed)
        async with stage.database.session() as connection:
            until = await progress.last_commit_at(connection, since)
        assert until is not None
        relay_seconds = None
        if plan.relay:
            await stage.until(published)
            relay_seconds = max(0.0, (dt.datetime.now(dt.UTC) - until).total_seconds())
        cpu = {kind: seconds - used[kind] for kind, seconds in cpu_seconds(stage.kinds).items()}
        async with stage.database.session() as connection:
            commits = await check(connection, plan.records)
        return Measurement(plan, (until - since).total_seconds(), cpu, commits, lag, relay_seconds)


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
            (SELECT coalesce(sum(leaf_count), 0) FROM commits) AS leaves, (SELECT count(*) FROM commits) AS commits
        """
    )
    assert row is not None
    if not row["results"] == row["records"] == row["leaves"] == records:
        raise BenchError(
            f"{records} records came to {row['results']} results, {row['records']} different, {row['leaves']} leaves"
        )
    return int(row["commits"])
