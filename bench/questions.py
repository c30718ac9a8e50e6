"""What the product asks of its database outside a commit, each by the function that the product calls for it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from agents.log.tree import load_edge
from bench.filling import PARTITIONS, TOPIC
from streams.storage import auditing, progress, reading, relaying, sequencing
from streams.storage.database import Connection
from streams.storage.watermarks import read_positions


@dataclass(frozen=True, slots=True)
class Subject:
    """What to ask about.

    Attributes:
        log_id: The log that was filled.
        record_id: A record in it.
        common: A blind term that many records share.
        rare: One that a single record has.
        group: Consumer group and cluster that progress is kept under.
    """

    log_id: int
    record_id: UUID
    common: tuple[str, bytes]
    rare: tuple[str, bytes]
    group: str


Question = Callable[[Connection, Subject], Awaitable[object]]


async def _edge(connection: Connection, subject: Subject) -> object:
    position = await sequencing.read_position(connection, subject.log_id)
    (row,) = [row for row in await sequencing.list_logs(connection) if row.log_id == subject.log_id]
    return await load_edge(connection, row, position.size)


async def _idle_step(connection: Connection, subject: Subject) -> object:
    position = await sequencing.read_position(connection, subject.log_id)
    return await sequencing.pending_commits(connection, subject.log_id, position.seen, [], 256)


async def _search(connection: Connection, subject: Subject, term: tuple[str, bytes]) -> object:
    field, token = term
    return await reading.search_results(connection, field, [(subject.log_id, token)], 20)


async def _verify_batches(connection: Connection, subject: Subject) -> object:
    """Sixteen commits as an audit reads them, without checking them."""
    async with auditing.snapshot(connection):
        async for batch in auditing.placed_commits(connection, subject.log_id):
            return await auditing.commit_contents(connection, subject.log_id, [each.commit_id for each in batch])
    return None


async def _relay_page(connection: Connection, subject: Subject) -> object:
    position = await sequencing.read_position(connection, subject.log_id)
    return await relaying.sequenced_commits(connection, subject.log_id, position.size // 2, 2_000)


QUESTIONS: Final[Sequence[tuple[str, Question]]] = (
    ("search: a value that one record has", lambda c, s: _search(c, s, s.rare)),
    ("search: a value that many share, newest 20", lambda c, s: _search(c, s, s.common)),
    ("records show: one id", lambda c, s: reading.find_results(c, [s.record_id])),
    ("records list: newest 20", lambda c, s: reading.list_results(c, tenant=None, limit=20)),
    ("dead-letters list: newest 20", lambda c, s: reading.list_dead_letters(c, reason=None, limit=20)),
    (
        "worker: positions at an assignment",
        lambda c, s: read_positions(c, s.group, s.group, [(TOPIC, number) for number in range(PARTITIONS)]),
    ),
    ("sequencer: a look for new commits", _idle_step),
    ("sequencer: take over (right edge of the tree)", _edge),
    ("relay: a page of 2,000 leaves", _relay_page),
    ("relay: lag", lambda c, s: relaying.relay_lag(c)),
    ("progress: commits without a place", lambda c, s: progress.unsequenced_commits(c)),
    ("audit: rows of 16 commits", _verify_batches),
    ("audit: all tiles", lambda c, s: auditing.stored_tiles(c, s.log_id)),
    ("audit: all watermark steps", lambda c, s: auditing.watermark_rows(c)),
    ("audit: all rows without a commit", lambda c, s: auditing.stray_rows(c, s.log_id)),
    ("audit: all ids without a message", lambda c, s: auditing.unclaimed_identities(c, 100)),
)
"""What it is, and how it is asked; the answer's time is in milliseconds."""

WHOLE_LOG: Final = frozenset(name for name, _ in QUESTIONS if name.startswith("audit: all"))
"""Reads that grow with the log because they read all of it."""
