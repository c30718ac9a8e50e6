import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import pytest

from streams.storage.commit_rows import COPY_FROM, CommitRows, write_rows
from streams.storage.database import Database
from tests.support.commits import record

AT = dt.datetime(2026, 1, 5, 8, 0, 0, 123000, tzinfo=dt.UTC)
TABLES: Mapping[str, Sequence[str]] = {
    "messages": (
        "message_id", "log_id", "tenant", "domain", "commit_id", "leaf", "type", "outcome", "topic", "part",
        "kafka_offset", "stamped_at", "received_at", "pass_id", "evidence",
    ),
    "results": (
        "record_id", "message_id", "n", "log_id", "tenant", "domain", "commit_id", "leaf", "type", "outcome", "note",
        "linked", "pass_id", "sealed",
    ),
    "terms": ("log_id", "field", "token", "record_id"),
    "deferred": ("record_id", "log_id", "tenant", "commit_id", "leaf", "lane", "models", "deadline"),
    "dead_letters": (
        "dead_letter_id", "message_id", "log_id", "tenant", "commit_id", "leaf", "reason", "detail", "topic", "part",
        "kafka_offset",
    ),
    "replays": ("log_id", "commit_id", "leaf", "dead_letter_id", "tenant", "outcome", "reason", "letter_commit"),
    "disclosures": ("log_id", "commit_id", "leaf", "tenant", "pass_id", "sealed"),
    "erasures": ("log_id", "commit_id", "leaf", "message_id", "record_id"),
    "reviews": ("log_id", "commit_id", "leaf", "record_id", "n", "tenant", "domain", "pass_id", "sealed"),
    "data_keys": ("pass_id", "tenant", "domain", "tier", "tier_key_id", "wrapped"),
    "commits": (
        "log_id", "commit_id", "leaf_count", "leaves_root", "hashes", "watermark", "worker_id", "signature",
    ),
    "bundles": ("log_id", "commit_id", "ends", "body"),
    "sequence_arrivals": ("log_id", "source", "commit_id", "arrived"),
}  # fmt: skip


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    async with Database(dsn, name="test", connections=1) as found:
        yield found


def rows_of(n: int) -> Mapping[str, tuple[Any, ...]]:
    """One row of each table, told from others by its number; every second one leaves out what may be left out."""
    bare = bool(n % 2)
    text = f"Ünïcode 张三 {n} {{,}} \"'\\"
    return {
        "messages": (
            record(n), 1, "t", text, n, 0, None if bare else "type", "accepted", "topic", 3, 2**40 + n, AT, AT, n,
            None if bare else b"\x00\xff" * n,
        ),
        "results": (
            record(n), record(n), None if bare else n, 1, "t", "d", n, 0, "type", "booked", None if bare else text,
            None if bare else record(7), n, None if bare else b"sealed",
        ),
        "terms": (1, text, b"token\x00", record(n)),
        "deferred": (record(n), 1, "t", n, 0, "text.normal", text, AT),
        "dead_letters": (record(n), record(n), 1, "t", n, 0, "malformed", text, "topic", 0, n),
        "replays": (1, n, 0, record(n), "t", text, None if bare else "malformed", None if bare else n),
        "disclosures": (1, n, 0, "t", n, b"ids"),
        "erasures": (1, n, 0, record(n), None if bare else record(7)),
        "reviews": (1, n, 0, record(n), n, text, text, n, None if bare else b"\x00sealed"),
        "data_keys": (n, "t", "d", 2, "key", b"wrapped"),
        "commits": (1, n, 2, b"root", b"hashes", b"", "worker", b"signature"),
        "bundles": (1, n, [] if bare else [3, 2**31 - 1], b"body"),
        "sequence_arrivals": (1, text, n, b"numbers"),
    }  # fmt: skip


async def stored(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    async with database.session() as connection:
        return {
            table: sorted(
                [tuple(row) for row in await connection.fetch(f"SELECT {', '.join(columns)} FROM {table}")], key=repr
            )
            for table, columns in TABLES.items()
        }


async def write(database: Database, rows: CommitRows) -> None:
    async with database.session() as connection, connection.transaction():
        await write_rows(connection, rows)


@pytest.mark.parametrize(
    "count",
    [pytest.param(1, id="one"), pytest.param(2, id="two"), pytest.param(COPY_FROM // 8 + 1, id="by-copy")],
)
async def test_what_is_written_stands_in_every_table(database: Database, count: int) -> None:
    made = [rows_of(n) for n in range(count)]
    rows = {table: [each[table] for each in made] for table in TABLES}
    await write(database, CommitRows(**rows))
    assert await stored(database) == {table: sorted(found, key=repr) for table, found in rows.items()}


@pytest.mark.parametrize("table", TABLES)
async def test_a_table_may_be_the_only_one(database: Database, table: str) -> None:
    await write(database, CommitRows(**{table: [rows_of(4)[table]]}))
    assert {name: len(found) for name, found in (await stored(database)).items() if found} == {table: 1}


async def test_nothing_to_write_writes_nothing(database: Database) -> None:
    await write(database, CommitRows())
    assert not any((await stored(database)).values())


def test_every_table_of_a_commit_is_looked_at_here() -> None:
    assert [each.name for each in fields(CommitRows)] == list(TABLES)
