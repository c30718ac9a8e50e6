"""One log in the hands of its sequencer: placing commits, growing the tree, signing checkpoints."""

import asyncio
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from agents.log.commit_checker import CommitChecker
from agents.log.tree import load_edge
from schemas.errors import VerificationFailed
from security.checkpoint import Checkpoint, sign_checkpoint
from security.commit_signature import BadCommitSignature
from security.merkle import HASH_BYTES
from security.note import Signer
from security.tiles import TILE_WIDTH, RightEdge
from streams.probe import Probe, no_probe
from streams.storage import sequencing, shards
from streams.storage.database import Connection
from streams.storage.durability import settle
from streams.storage.sequencing import LogAdvance, LogPosition, LogRow, PendingCommit
from streams.storage.shards import NextShard

log = structlog.get_logger(__name__)

COMMITS_PER_STEP: Final = 256
NEVER: Final = dt.datetime.min.replace(tzinfo=dt.UTC)
_TILE_BYTES: Final = TILE_WIDTH * HASH_BYTES


@dataclass(slots=True)
class LogSequencer:
    """Where one log stands, in memory, while this process owns it.

    Attributes:
        shard: The one that grows.
        position: Of the log, through all its shards.
        edge: Of the shard's tree.
        checkpointed: Size of the shard's last signed checkpoint.
        following: The next shard, once the last leaf of this one has its place.
        more: The last step stopped at its limit: more commits may be waiting.
        refused: Commits that failed their check; asked for no more, so that they can't crowd out the others.
    """

    row: LogRow
    shard: LogRow
    epoch: int
    position: LogPosition
    edge: RightEdge
    signer: Signer
    checkpointed: int
    signed_at: dt.datetime = NEVER
    following: NextShard | None = None
    more: bool = False
    refused: list[int] = field(default_factory=list)
    probe: Probe = no_probe

    @classmethod
    async def take_over(
        cls, connection: Connection, row: LogRow, signer_for: Callable[[LogRow], Signer], probe: Probe = no_probe
    ) -> "LogSequencer":
        """Become the owner: raise the epoch, rebuild the tree's right edge, compare it with the last checkpoint.

        Raises:
            VerificationFailed: The stored hashes don't give the root that was signed.
        """
        epoch = await sequencing.take_over(connection, row.log_id)
        position = await sequencing.read_position(connection, row.log_id)
        shard = await shards.open_shard(connection, row)
        held = position.size - shard.start
        if held < 0:
            raise VerificationFailed(f"log {shard.origin} begins at {shard.start}, and its places end before")
        edge = await load_edge(connection, shard, held)
        last = await sequencing.last_checkpoint(connection, shard.tree)
        if last is not None:
            size, root, _ = last
            if size > held:
                raise VerificationFailed(f"log {shard.origin}: {size} leaves were signed, and it has {held}")
            signed = edge if size == held else await load_edge(connection, shard, size)
            if signed.root() != root:
                raise VerificationFailed(f"log {shard.origin}: the stored hashes don't give the root signed at {size}")
        signer = await asyncio.to_thread(signer_for, shard)
        taken = cls(row, shard, epoch, position, edge, signer, last[0] if last else 0, probe=probe)
        await taken.look_for_end(connection)
        return taken

    @property
    def is_final(self) -> bool:
        """Whether the shard has its last leaf, and a checkpoint over it."""
        return self.following is not None and self.checkpointed == self.edge.size

    async def look_for_end(self, connection: Connection) -> None:
        """See whether the leaf that closes the shard has its place.

        Raises:
            VerificationFailed: Others stand behind it.
        """
        following = await shards.next_shard(connection, self.row.log_id)
        if following is None:
            return
        place = await shards.place_of_commit(connection, self.row.log_id, following.closing)
        if place is None:
            return
        if sum(place) != self.position.size or following.n != self.shard.shard + 1:
            raise VerificationFailed(f"log {self.shard.origin}: it was closed at {sum(place)}, and did not end there")
        self.following = following

    async def step(
        self,
        connection: Connection,
        checker: CommitChecker,
        now: dt.datetime,
        every: dt.timedelta,
        snapshot: str | None = None,
    ) -> int:
        """Place what is new and sign a checkpoint when one is due; returns how many leaves got a place.

        Args:
            snapshot: The present one, where it is known: nothing is new in one that was looked at.

        Raises:
            Fenced: Another sequencer has taken over.
            VerificationFailed: What is stored contradicts what this step would write.
        """
        self.more = False
        looked = self.following is not None or (snapshot is not None and snapshot == self.position.seen)
        placed = 0 if looked else await self._place(connection, checker)
        due = self.following is not None or now - self.signed_at >= every
        if self.edge.size > self.checkpointed and due:
            await self.sign(connection, now)
        return placed

    async def _place(self, connection: Connection, checker: CommitChecker) -> int:
        pending, seen = await sequencing.pending_commits(
            connection, self.row.log_id, self.position.seen, self.refused, COMMITS_PER_STEP
        )
        self.probe("read")
        if any(not checker.knows(commit.worker_id) for commit in pending):
            checker.learn(await sequencing.worker_keys(connection))
        good = [commit for commit in pending if self._accepts(checker, commit)]
        # Read after the commits: what closes the shard is seen with the commit that brings it.
        following = await shards.next_shard(connection, self.row.log_id) if good else None
        if following is not None:
            good = _up_to(good, following.closing)
        self.following = following if following and good[-1].commit_id == following.closing else None
        # Where the limit was hit, more may be waiting under the old snapshot.
        self.more = len(pending) == COMMITS_PER_STEP
        after = self.position.seen if self.more or self.following is not None else seen
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

    async def sign(self, connection: Connection, now: dt.datetime) -> None:
        """Sign what is placed, once it is durable: a signed size may never be taken back.

        Raises:
            Fenced: Another sequencer has taken over.
        """
        await settle(connection)
        self.probe("signing")
        root = self.edge.root()
        size = self.edge.size
        note = sign_checkpoint(Checkpoint(self.shard.origin, size, root), [self.signer])
        await self._advance(connection, self.position, checkpoint=(size, root, note.decode()))
        self.checkpointed, self.signed_at = size, now
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
            self.row.log_id,
            self.epoch,
            self.position.size,
            to.size,
            to.seen,
            placements or [],
            tiles or [],
            checkpoint,
            self.shard.tree,
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


def _up_to(commits: list[PendingCommit], last: int) -> list[PendingCommit]:
    """These commits to the one of that number, or all of them where it is not among them."""
    found = next((n for n, commit in enumerate(commits) if commit.commit_id == last), len(commits))
    return commits[: found + 1]
