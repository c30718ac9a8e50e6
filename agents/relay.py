"""Publishes the sequenced log to Kafka, in its order, at least once: subscribers de-duplicate by log and index.

What is published at once is signed once (agents.attested_notices).
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from agents.attested_notices import attest_notices
from agents.notices import Notice, NoticeTopics, make_notice, topics_for
from agents.observation import Observer
from schemas.errors import VerificationFailed
from schemas.leaf import decode_leaf
from security.merkle import packed_leaf_hashes
from security.signing import Signer
from streams.storage import relaying
from streams.storage.database import Connection, Database
from streams.storage.ownership import owned
from streams.storage.relaying import RelayPosition, SequencedCommit
from streams.storage.sequencing import LogRow, list_logs

log = structlog.get_logger(__name__)

MAX_LEAVES: Final = 2_000
LOGS_EVERY: Final = 1.0
"""Seconds between looks for new logs."""


class NoticeSink(Protocol):
    """Takes notices and returns when the broker has them all, in order within each topic."""

    async def publish(self, notices: Sequence[Notice]) -> None:
        """Publish; raises when any notice may be missing."""


class TamperedLeaf(VerificationFailed):
    """A stored leaf is not the one that was sequenced."""


class Relay:
    """Publishes every log while this process holds the relay's lock.

    Args:
        topics: Gives a tenant's topics.
        signer_for: Gives the key that signs a log's notices.
        poll_every: Seconds between looks for new leaves when there was none.
        working: Told after each round, and while another process holds the lock.
        observer: Is told of each publication.
    """

    def __init__(
        self,
        database: Database,
        sink: NoticeSink,
        topics: Callable[[str], NoticeTopics],
        signer_for: Callable[[LogRow], Signer],
        *,
        poll_every: float = 0.01,
        working: Callable[[], None] = lambda: None,
        observer: Observer | None = None,
    ) -> None:
        self._observer = observer or Observer()
        self._database = database
        self._working = working
        self._sink = sink
        self._topics = topics
        self._signer_for = signer_for
        self._signers: dict[int, Signer] = {}
        self._poll_every = poll_every
        self._logs: list[LogRow] = []
        self._listed_at = float("-inf")
        self._positions: dict[int, RelayPosition] = {}
        self._stopped: set[int] = set()

    async def run(self) -> None:
        """Publish until cancelled; waits while another process holds the lock."""
        async with owned(self._database, relaying.RELAY_LOCK, self._working) as connection:
            self._positions.clear()
            while True:
                done = await self.step(connection)
                self._working()
                if not done:
                    await asyncio.sleep(self._poll_every)

    async def step(self, connection: Connection) -> int:
        """One round over all logs; returns how many leaves were published."""
        published = 0
        if time.monotonic() - self._listed_at >= LOGS_EVERY:
            self._logs, self._listed_at = await list_logs(connection), time.monotonic()
        for row in self._logs:
            if row.log_id not in self._stopped:
                published += await self._publish(connection, row)
        return published

    async def _publish(self, connection: Connection, row: LogRow) -> int:
        at = self._positions.get(row.log_id)
        if at is None:
            at = await relaying.read_relay_position(connection, row.log_id)
        commits = await relaying.sequenced_commits(connection, row.log_id, at.position, MAX_LEAVES)
        if not commits:
            self._positions[row.log_id] = at
            return 0
        with self._observer.publication(sum(commit.leaf_count for commit in commits)) as traceparent:
            try:
                notices, after = make_notices(commits, row.origin, self._topics(row.tenant), at, traceparent)
            except VerificationFailed as exc:
                # Publishing past it would hide it; the other logs go on.
                log.error("relay.log_stopped", log=row.origin, error=str(exc))
                self._stopped.add(row.log_id)
                return 0
            if row.log_id not in self._signers:
                self._signers[row.log_id] = self._signer_for(row)
            await self._sink.publish(attest_notices(notices, self._signers[row.log_id]))
        await relaying.write_relay_position(connection, row.log_id, after)
        self._positions[row.log_id] = after
        return after.position - at.position


def make_notices(
    commits: Sequence[SequencedCommit],
    origin: str,
    topics: NoticeTopics,
    at: RelayPosition,
    traceparent: bytes | None = None,
) -> tuple[list[Notice], RelayPosition]:
    """The notices of these commits' leaves, and the position after them.

    Raises:
        TamperedLeaf: A bundle no longer hashes to what was sequenced.
    """
    notices: list[Notice] = []
    previous = dict(at.previous)
    index = at.position
    for commit in commits:
        leaves = commit.leaves()
        if commit.first_index != index:
            raise TamperedLeaf(f"index {index} of {origin}: the place of its commit is gone")
        if len(leaves) != commit.leaf_count or packed_leaf_hashes(leaves) != commit.hashes:
            raise TamperedLeaf(f"commit {commit.commit_id} of {origin}: its leaves are not those that were sequenced")
        for body in leaves:
            leaf = decode_leaf(body)
            for topic in topics_for(leaf, topics):
                notices.append(make_notice(topic, leaf, body, origin, index, previous.get(topic), traceparent))
                previous[topic] = index
            index += 1
    return notices, RelayPosition(index, previous)
