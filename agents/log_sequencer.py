"""One log in the hands of its sequencer: placing commits, growing the tree, signing checkpoints."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Final

import structlog

from agents.commit_checker import CommitChecker
from agents.log_tree import load_edge
from schemas.errors import VerificationFailed
from security.checkpoint import Checkpoint, sign_checkpoint
from security.commit_signature import BadCommitSignature
from security.merkle import HASH_BYTES
from security.note import Signer
from security.tiles import TILE_WIDTH, RightEdge
from streams.probe import Probe, no_probe
from streams.storage import sequencing
from streams.storage.database import Connection
from streams.storage.durability import settle
from streams.storage.sequencing import LogAdvance, LogPosition, LogRow, PendingCommit

log = structlog.get_logger(__name__)

COMMITS_PER_STEP: Final = 256
NEVER: Final = dt.datetime.min.replace(tzinfo=dt.UTC)
_TILE_BYTES: Final = TILE_WIDTH * HASH_BYTES


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
    probe: Probe = no_probe

    @classmethod
    async def take_over(
        cls, connection: Connection, row: LogRow, signer: Signer, probe: Probe = no_probe
    ) -> "LogSequencer":
        """Become the owner: raise the epoch, rebuild the tree's right edge, compare it with the last checkpoint.

        Raises:
            VerificationFailed: The stored hashes don't give the root that was signed.
        """
        epoch = await sequencing.take_over(connection, row.log_id)
        position = await sequencing.read_position(connection, row.log_id)
        edge = await load_edge(connection, row, position.size)
        last = await sequencing.last_checkpoint(connection, row.log_id)
        if last is not None:
            size, root, _ = last
            if size > position.size:
                raise VerificationFailed(f"log {row.origin}: {size} leaves were signed, and it has {position.size}")
            signed = edge if size == position.size else await load_edge(connection, row, size)
            if signed.root() != root:
                raise VerificationFailed(f"log {row.origin}: the stored hashes don't give the root signed at {size}")
        return cls(row, epoch, position, edge, signer, last[0] if last else 0, probe=probe)

    async def step(self, connection: Connection, checker: CommitChecker, now: dt.datetime, every: dt.timedelta) -> int:
        """Place what is new and sign a checkpoint when one is due; returns how many leaves got a place.

        Raises:
            Fenced: Another sequencer has taken over.
            VerificationFailed: What is stored contradicts what this step would write.
        """
        placed = await self._place(connection, checker)
        if self.position.size > self.checkpointed and now - self.signed_at >= every:
            await self._checkpoint(connection, now)
        return placed

    async def _place(self, connection: Connection, checker: CommitChecker) -> int:
        pending, seen = await sequencing.pending_commits(
            connection, self.row.log_id, self.position.seen, self.refused, COMMITS_PER_STEP
        )
        self.probe("read")
        if any(not checker.knows(commit.worker_id) for commit in pending):
            checker.learn(await sequencing.worker_keys(connection))
        good = [commit for commit in pending if self._accepts(checker, commit)]
        # Where the limit was hit, more may be waiting under the old snapshot.
        after = self.position.seen if len(pending) == COMMITS_PER_STEP else seen
        size = self.position.size
        placements = []
        for commit in good:
            placements.append((size, commit.commit_id, commit.leaf_count))
            size += commit.leaf_count
        tiles, edge = self.edge.advance(b"".join([commit.hashes for commit in good]))
        full = [(tile.level, tile.index, tile.hashes) for tile in tiles if len(tile.hashes) == _TILE_BYTES]
        if placements:
            await self._advance(connection, LogPosition(size, after), placements=placements, tiles=full)
            self.probe("placed")
        placed = size - self.position.size
        self.position, self.edge = LogPosition(size, after), edge
        return placed

    async def _checkpoint(self, connection: Connection, now: dt.datetime) -> None:
        """Sign what is placed, once it is durable: a signed size may never be taken back."""
        await settle(connection)
        self.probe("signing")
        root = self.edge.root()
        note = sign_checkpoint(Checkpoint(self.row.origin, self.position.size, root), [self.signer])
        await self._advance(connection, self.position, checkpoint=(self.position.size, root, note.decode()))
        self.checkpointed, self.signed_at = self.position.size, now
        self.probe("signed")

    async def _advance(
        self,
        connection: Connection,
        to: LogPosition,
        *,
        placements: list[tuple[int, int, int]] | None = None,
        tiles: list[tuple[int, int, bytes]] | None = None,
        checkpoint: tuple[int, bytes, str] | None = None,
    ) -> None:
        step = LogAdvance(
            self.row.log_id, self.epoch, self.position.size, to.size, to.seen, placements or [], tiles or [], checkpoint
        )
        await sequencing.advance(connection, step, self.probe)

    def _accepts(self, checker: CommitChecker, commit: PendingCommit) -> bool:
        try:
            checker.check(self.row.origin, commit)
        except BadCommitSignature as exc:
            log.error("sequencer.commit_refused", log=self.row.origin, commit_id=commit.commit_id, error=str(exc))
            self.refused.append(commit.commit_id)
            return False
        return True
