"""Gives committed leaves their place in the log, keeps tree and tiles, signs checkpoints. One owner for all logs.

A commit is checked before it gets a place: its root must be the root of its hashes, and its worker's key, certified
by the authority, must have signed it. One that fails is left without a place and reported; the log goes on.
"""

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from schemas.errors import VerificationFailed
from security.checkpoint import Checkpoint, sign_checkpoint
from security.commit_signature import (
    BadCommitSignature,
    CommitStatement,
    check_commit_signature,
    check_worker_certificate,
)
from security.merkle import HASH_BYTES, packed_root
from security.note import Signer
from security.tiles import TILE_WIDTH, RightEdge, TileAddress, partial_tiles
from streams.storage import sequencing
from streams.storage.database import Connection, Database
from streams.storage.ownership import owned
from streams.storage.sequencing import LogAdvance, LogPosition, LogRow, PendingCommit

log = structlog.get_logger(__name__)

COMMITS_PER_STEP: Final = 256
LOGS_EVERY: Final = dt.timedelta(seconds=1)
NEVER: Final = dt.datetime.min.replace(tzinfo=dt.UTC)


class CommitChecker:
    """Checks commits against the workers' certified keys; a key is checked against the authority once."""

    def __init__(self, authority: bytes) -> None:
        self._authority = authority
        self._keys: dict[str, bytes] = {}

    def knows(self, worker_id: str) -> bool:
        """Whether this worker's key has been accepted."""
        return worker_id in self._keys

    def learn(self, rows: Mapping[str, tuple[bytes, bytes]]) -> None:
        """Accept the keys that the authority certified; the others stay unknown."""
        for worker_id, (public_key, certificate) in rows.items():
            if worker_id not in self._keys:
                try:
                    check_worker_certificate(worker_id, public_key, certificate, self._authority)
                except VerificationFailed:
                    log.error("sequencer.worker_not_certified", worker_id=worker_id)
                else:
                    self._keys[worker_id] = public_key

    def check(self, origin: str, commit: PendingCommit) -> None:
        """Refuse a commit whose rows don't fit together or weren't written by a certified worker.

        Raises:
            BadCommitSignature: Which of these it was.
        """
        where = f"commit {commit.commit_id} of {origin}"
        if commit.leaf_count < 1 or len(commit.hashes) != commit.leaf_count * HASH_BYTES:
            raise BadCommitSignature(f"{where}: as many hashes as leaves are needed")
        if packed_root(commit.hashes) != commit.leaves_root:
            raise BadCommitSignature(f"{where}: its root is not the root of its hashes")
        public_key = self._keys.get(commit.worker_id)
        if public_key is None:
            raise BadCommitSignature(f"{where}: worker {commit.worker_id} was not certified by the authority")
        statement = CommitStatement(origin, commit.commit_id, commit.leaf_count, commit.leaves_root, commit.watermark)
        check_commit_signature(statement, commit.signature, public_key)


@dataclass(slots=True)
class LogSequencer:
    """Where one log stands, in memory, while this process owns it.

    Attributes:
        checkpointed: Size of the last signed checkpoint.
        refused: Commits that failed their check; asked for no more, so that they can't crowd out the others.
    """

    row: LogRow
    epoch: int
    position: LogPosition
    edge: RightEdge
    signer: Signer
    checkpointed: int
    signed_at: dt.datetime = NEVER
    refused: list[int] = field(default_factory=list)

    @classmethod
    async def take_over(cls, connection: Connection, row: LogRow, signer: Signer) -> "LogSequencer":
        """Become the owner: raise the epoch, rebuild the tree's right edge, compare it with the last checkpoint.

        Raises:
            VerificationFailed: The stored hashes don't give the root that was signed.
        """
        epoch = await sequencing.take_over(connection, row.log_id)
        position = await sequencing.read_position(connection, row.log_id)
        edge = await load_edge(connection, row.log_id, position.size)
        last = await sequencing.last_checkpoint(connection, row.log_id)
        if last and last[0] == position.size and last[1] != edge.root():
            raise VerificationFailed(f"log {row.origin}: the stored hashes don't give the root signed at {last[0]}")
        return cls(row, epoch, position, edge, signer, last[0] if last else 0)

    async def step(self, connection: Connection, checker: CommitChecker, now: dt.datetime, every: dt.timedelta) -> int:
        """Place what is new and sign a checkpoint when one is due; returns how many leaves got a place."""
        pending, seen = await sequencing.pending_commits(
            connection, self.row.log_id, self.position.seen, self.refused, COMMITS_PER_STEP
        )
        if any(not checker.knows(commit.worker_id) for commit in pending):
            checker.learn(await sequencing.worker_keys(connection))
        good = [commit for commit in pending if self._accepts(checker, commit)]
        if len(pending) == COMMITS_PER_STEP:
            seen = self.position.seen  # more may be waiting under the old snapshot
        size = self.position.size
        placements = []
        for commit in good:
            placements.append((size, commit.commit_id, commit.leaf_count))
            size += commit.leaf_count
        tiles, edge = self.edge.advance(b"".join([commit.hashes for commit in good]))
        full = [(t.level, t.index, t.hashes) for t in tiles if len(t.hashes) == TILE_WIDTH * HASH_BYTES]
        due = size > self.checkpointed and now - self.signed_at >= every
        checkpoint = self._sign(size, edge) if due else None
        if placements or checkpoint:
            await sequencing.advance(
                connection,
                LogAdvance(self.row.log_id, self.epoch, self.position.size, size, seen, placements, full, checkpoint),
            )
        placed = size - self.position.size
        self.position, self.edge = LogPosition(size, seen), edge
        if due:
            self.checkpointed, self.signed_at = size, now
        return placed

    def _accepts(self, checker: CommitChecker, commit: PendingCommit) -> bool:
        try:
            checker.check(self.row.origin, commit)
        except BadCommitSignature as exc:
            log.error("sequencer.commit_refused", log=self.row.origin, commit_id=commit.commit_id, error=str(exc))
            self.refused.append(commit.commit_id)
            return False
        return True

    def _sign(self, size: int, edge: RightEdge) -> tuple[int, bytes, str]:
        root = edge.root()
        note = sign_checkpoint(Checkpoint(self.row.origin, size, root), [self.signer])
        return size, root, note.decode()


async def load_edge(connection: Connection, log_id: int, size: int) -> RightEdge:
    """Rebuild the right edge of a tree from full tiles and the last commits' hashes."""
    partial: dict[int, bytes] = {}
    for address in partial_tiles(size):
        first = address.index * TILE_WIDTH
        if address.level == 0:
            partial[0] = (await sequencing.leaf_hashes_from(connection, log_id, first))[: address.width * HASH_BYTES]
        else:
            below = range(first, first + address.width)
            full = await sequencing.tile_hashes(connection, log_id, address.level - 1, below)
            partial[address.level] = b"".join([packed_root(full[index]) for index in below if index in full])

    def fetch(address: TileAddress) -> bytes | None:
        return partial.get(address.level)

    return RightEdge.from_tiles(size, fetch)


class Sequencer:
    """Runs every log of the platform while it holds the sequencer's lock.

    Args:
        signer_for: Gives the note signer of a log; its key never reaches the database.
        authority: Public key that certifies workers.
        working: Told after each round, and while another process holds the lock.
    """

    def __init__(
        self,
        database: Database,
        signer_for: Callable[[LogRow], Signer],
        authority: bytes,
        *,
        checkpoint_every: dt.timedelta = dt.timedelta(seconds=1),
        poll_every: dt.timedelta = dt.timedelta(milliseconds=10),
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        working: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._working = working
        self._signer_for = signer_for
        self._checker = CommitChecker(authority)
        self._checkpoint_every = checkpoint_every
        self._poll_every = poll_every
        self._clock = clock
        self._logs: dict[int, LogSequencer] = {}
        self._listed_at = NEVER

    async def run(self) -> None:
        """Sequence until cancelled; waits while another process holds the lock."""
        async with owned(self._database, sequencing.SEQUENCER_LOCK, self._working) as connection:
            self._logs.clear()
            while True:
                done = await self.step(connection)
                self._working()
                if not done:
                    await asyncio.sleep(self._poll_every.total_seconds())

    async def step(self, connection: Connection) -> int:
        """One round over all logs; returns how many leaves got a place."""
        now = self._clock()
        if now - self._listed_at >= LOGS_EVERY:
            for row in await sequencing.list_logs(connection):
                if row.log_id not in self._logs:
                    self._logs[row.log_id] = await LogSequencer.take_over(connection, row, self._signer_for(row))
            self._listed_at = now
        placed = 0
        for each in self._logs.values():
            placed += await each.step(connection, self._checker, now, self._checkpoint_every)
        return placed
