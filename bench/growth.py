"""A database that grows to a size by commits, or by rows alone, and is looked at there."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median
from typing import Final

import asyncpg

from agents.log.sequencer import Sequencer
from bench.claiming import load_claims
from bench.cpu import cpu_seconds
from bench.filling import Filled, Filler, processed_frame
from bench.intake import IntakeBench, open_intake
from bench.questions import QUESTIONS, Subject
from bench.servers import TENANT, Servers
from streams.storage import sequencing
from streams.storage.database import Connection, Database
from streams.storage.ids import IdBlock
from streams.storage.relaying import RelayPosition

LAST_COMMITS: Final = 50
"""A size's commit cost is that of the last so many commits that led to it."""

ASKED: Final = 3
TOO_LONG_MS: Final = 120_000


@dataclass(frozen=True, slots=True)
class Look:
    """The database at one size.

    Attributes:
        label: What it is called in tables.
        records: Ids that are taken.
        filled: The last commits.
        server_microseconds: CPU of PostgreSQL for each of their records, its background processes included.
        sequencing_microseconds: CPU of the sequencer and of PostgreSQL to give a leaf its place.
        answers: Question to its time in milliseconds; None when it took too long.
        bytes: Table to bytes on disk with its indexes.
    """

    label: str
    records: int
    filled: Filled
    server_microseconds: float
    sequencing_microseconds: float
    answers: Mapping[str, float | None]
    bytes: Mapping[str, int]


class GrowingDatabase:
    """A database that grows."""

    def __init__(self, servers: Servers, database: Database, intake: IntakeBench, filler: Filler, group: str) -> None:
        self._servers = servers
        self._database = database
        self._intake = intake
        self._filler = filler
        self._group = group
        self._records = 0

    @property
    def records(self) -> int:
        """Ids that are taken so far."""
        return self._records

    async def add_claims(self, count: int) -> None:
        """Load so many ids and as many blind terms of records that are not there, see `bench.claiming`."""
        await load_claims(self._database, count)
        self._records += count

    async def shared_buffers(self) -> str:
        """PostgreSQL's own cache."""
        async with self._database.session() as connection:
            return str(await connection.fetchval("SHOW shared_buffers"))

    async def look(self, size: int) -> Look:
        """Fill up to this size, let the sequencer catch up, and ask everything."""
        last = LAST_COMMITS * self._filler.records_a_commit
        if size - self._records > last:
            self._records += (await self._filler.fill(size - self._records - last)).records
            await self._sequence()
        used = self._server_cpu()
        filled = await self._filler.fill(size - self._records)
        server = (self._server_cpu() - used) / filled.records
        self._records += filled.records
        sequencing_seconds = await self._sequence()
        async with self._database.session() as connection:
            await connection.execute("ANALYZE")  # as autovacuum would have, by now
            answers = await self._answers(connection)
            sizes = await table_bytes(connection)
        per_leaf = sequencing_seconds / filled.records * 1e6
        return Look(f"{self._records:,}", self._records, filled, server * 1e6, per_leaf, answers, sizes)

    async def _sequence(self) -> float:
        """Give everything its place; returns the CPU seconds it took."""
        identity = self._intake.identity
        sequencer = Sequencer(self._database, identity.signer_of, identity.authority(), _nothing_published)
        async with self._database.session() as connection:
            await sequencer.step(connection)  # the first one takes the log over
            used = time.process_time() + self._server_cpu()
            while await sequencer.step(connection):
                pass
        return time.process_time() + self._server_cpu() - used

    async def _answers(self, connection: Connection) -> dict[str, float | None]:
        subject = await self._subject(connection)
        answers: dict[str, float | None] = {}
        await connection.execute(f"SET statement_timeout = {TOO_LONG_MS}")
        for name, ask in QUESTIONS:
            took = []
            try:
                for _ in range(ASKED):
                    started = time.perf_counter()
                    await ask(connection, subject)
                    took.append((time.perf_counter() - started) * 1000)
            except asyncpg.QueryCanceledError:
                answers[name] = None
            else:
                answers[name] = median(took)
        await connection.execute("RESET statement_timeout")
        return answers

    async def _subject(self, connection: Connection) -> Subject:
        (row,) = [row for row in await sequencing.list_logs(connection) if row.tenant == TENANT]
        newest = await connection.fetchval("SELECT record_id FROM results ORDER BY record_id LIMIT 1")
        terms = {
            each["field"]: each["token"]
            for each in await connection.fetch("SELECT field, token FROM terms WHERE record_id = $1", newest)
        }
        return Subject(
            row.log_id, newest, ("account", terms["account"]), ("end_to_end_id", terms["end_to_end_id"]), self._group
        )

    def _server_cpu(self) -> float:
        return cpu_seconds({"postgres": [self._servers.postgres.pid]})["postgres"]


@asynccontextmanager
async def growing_database(servers: Servers, name: str, commit: int) -> AsyncIterator[GrowingDatabase]:
    """An empty one, of this name, to be filled by commits of so many records."""
    async with servers.database(name) as dsn, Database(dsn, name=name) as database:
        intake = await open_intake(database, servers.settings, group=name, cluster=name)
        frame = await processed_frame(intake, list(servers.records(commit)))
        filler = Filler(intake, IdBlock(database, "pass_ids"), frame)
        yield GrowingDatabase(servers, database, intake, filler, name)


async def table_bytes(connection: Connection) -> dict[str, int]:
    """Bytes on disk of each table with its partitions and indexes, the largest first."""
    rows = await connection.fetch(
        """
        SELECT coalesce(parent.relname, c.relname) AS name, sum(pg_total_relation_size(c.oid))::bigint AS bytes
        FROM pg_class c
        LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class parent ON parent.oid = i.inhparent
        WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace GROUP BY 1 ORDER BY 2 DESC
        """
    )
    return {row["name"]: row["bytes"] for row in rows}


async def _nothing_published() -> Mapping[str, RelayPosition]:
    """There is no broker here."""
    return {}
