"""A database that grows to a size by commits, or by rows alone, and is looked at there."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final

import asyncpg

from agents.log.sequencer import Sequencer
from bench.cpu import cpu_seconds
from bench.filling import Filled, Filler
from bench.intake import IntakeBench
from bench.questions import QUESTIONS, Subject
from bench.servers import TENANT, Servers
from streams.storage import sequencing
from streams.storage.database import Connection, Database
from streams.storage.relaying import RelayPosition

LAST_COMMITS: Final = 50
"""A size's commit cost is that of the last so many commits that led to it."""

ASKED: Final = 3
TOO_LONG_MS: Final = 120_000
BULK: Final = 1_000_000
"""Rows inserted by one statement."""


@dataclass(frozen=True, slots=True)
class Look:
    """The database at one size.

    Attributes:
        label: What it is called in tables.
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
        """Committed so far."""
        return self._records

    async def add_claims(self, rows: int) -> None:
        """Insert so many ids and so many blind terms, of records that are not there: what commits and searches meet.

        A random id and a random token are what they are for every record; the rest of a record is not needed for that.
        """
        async with self._database.session() as connection:
            for _ in range(rows // BULK):
                await connection.execute(
                    """
                    INSERT INTO identities (record_id, digest, commit_id)
                    SELECT gen_random_uuid(), sha256(n::text::bytea), n / 1000 FROM generate_series(1, $1::int) AS n
                    """,
                    BULK,
                    timeout=None,
                )
                await connection.execute(
                    """
                    INSERT INTO terms (log_id, field, token, record_id)
                    SELECT 1, 'account', substr(sha256(gen_random_uuid()::text::bytea), 1, 16), gen_random_uuid()
                    FROM generate_series(1, $1::int)
                    """,
                    BULK,
                    timeout=None,
                )

    async def look(self, size: int, label: str | None = None) -> Look:
        """Fill up to this size, let the sequencer catch up, and ask everything.

        Args:
            label: What to call it, instead of the number of records.
        """
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
        name = label or f"{self._records:,}"
        return Look(name, self._records, filled, server * 1e6, per_leaf, answers, sizes)

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
