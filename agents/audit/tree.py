"""Recompute one log's tree from its leaves, and compare it with tiles, checkpoints and workers' signatures."""

from dataclasses import dataclass
from itertools import pairwise

from agents.audit.attestations import AttestationCheck
from agents.audit.findings import LogReport, VerifyReport
from agents.log.sequencer import CommitChecker
from schemas.errors import VerificationFailed
from schemas.leaf import Leaf, decode_leaf
from security.checkpoint import verify_checkpoint
from security.merkle import HASH_BYTES, leaf_hash, packed_leaf_hashes
from security.note import Verifier
from security.tiles import TILE_WIDTH, RightEdge
from streams.storage.auditing import PlacedCommit, UnplacedCommit


@dataclass(frozen=True, slots=True)
class LeafAt:
    """A leaf with its place among the leaves of all shards of the log, and its ordinal in the commit."""

    index: int
    ordinal: int
    leaf: Leaf


class TreeCheck:
    """Walks a shard's commits in order. Findings name the first commit or index that is wrong.

    Args:
        start: Leaves of the log in all shards before it.
        log_origin: What workers sign their commits for, where that is not the shard's origin.
        is_dropped: Whether its leaves and tiles may be missing, because they are held outside the database.
    """

    def __init__(
        self,
        log: LogReport,
        report: VerifyReport,
        checker: CommitChecker,
        tiles: dict[tuple[int, int], bytes],
        checkpoints: list[tuple[int, bytes, str]],
        verifier: Verifier,
        attestations: AttestationCheck,
        *,
        start: int = 0,
        log_origin: str | None = None,
        is_dropped: bool = False,
    ) -> None:
        self._log = log
        self._report = report
        self._checker = checker
        self._tiles = tiles
        self._checkpoints = {size: (root, note) for size, root, note in checkpoints}
        self._verifier = verifier
        self._attestations = attestations
        self._start = start
        self._log_origin = log_origin or log.origin
        self._is_dropped = is_dropped
        self._edge = RightEdge()
        self._expected_tiles: set[tuple[int, int]] = set()

    def commit(self, placed: PlacedCommit) -> list[LeafAt]:
        """Check one commit and append its leaves; returns those that are what was sequenced."""
        content = self._take(placed)
        return self._leaves(placed, *content) if content is not None else []

    def commit_bytes(self, placed: PlacedCommit) -> None:
        """Check one commit and append its leaves; only the bytes of these are looked at."""
        content = self._take(placed)
        if content is not None:
            ends, body, hashes = content
            # An array of arrays, or with nothing in some place, is not read but named.
            whole = all(isinstance(end, int) for end in ends) and (not ends or ends[-1] == len(body))
            if not whole or packed_leaf_hashes([body[a:b] for a, b in pairwise([0, *ends])]) != hashes:
                self._leaves(placed, ends, body, hashes)

    def _take(self, placed: PlacedCommit) -> tuple[list[int], bytes, bytes] | None:
        """Check a commit and append its hashes; returns the ends, the bytes and the hashes of its leaves."""
        where = f"log {self._log.origin}, commit {placed.commit_id}"
        if placed.first_index - self._start != self._edge.size:
            self._report.add(f"log {self._log.origin}, index {self._edge.size}", "places are missing or overlap here")
        is_outside = self._is_dropped and placed.body is None
        if placed.commit is None or not (is_outside or (placed.body is not None and placed.ends is not None)):
            self._report.add(where, "the commit or its leaves are gone")
            return None
        if placed.leaf_count != placed.commit.leaf_count:
            self._report.add(where, "its place is not as long as it has leaves")
        try:
            self._checker.check(self._log_origin, placed.commit)
        except VerificationFailed as exc:
            self._report.add(where, str(exc))
        self._append(placed.commit.hashes)
        self._log.commits += 1
        if placed.body is None or placed.ends is None:
            return None  # only their hashes are known
        return placed.ends, placed.body, placed.commit.hashes

    def finish(self, signed_size: int) -> None:
        """Compare what is left: the log's size, tiles that nothing led to, checkpoints at no boundary."""
        self._log.size, self._log.root = self._edge.size, self._edge.root()
        if self._edge.size != signed_size:
            what = f"its steps end at {signed_size}, its leaves at {self._edge.size}"
            self._report.add(f"log {self._log.origin}", what)
        for level, index in sorted(self._tiles.keys() - self._expected_tiles):
            self._report.add(f"log {self._log.origin}, tile {level}/{index}", "no leaves lead to this tile")
        for size in sorted(self._checkpoints):
            self._report.add(f"log {self._log.origin}, checkpoint {size}", "the log has no commit that ends there")
        self._attestations.finish()

    def _append(self, hashes: bytes) -> None:
        tiles, self._edge = self._edge.advance(hashes[: len(hashes) // HASH_BYTES * HASH_BYTES])
        for tile in tiles:
            if len(tile.hashes) == TILE_WIDTH * HASH_BYTES:
                self._expected_tiles.add((tile.level, tile.index))
                stored = self._tiles.get((tile.level, tile.index))
                if stored != tile.hashes and not (stored is None and self._is_dropped):
                    self._report.add(
                        f"log {self._log.origin}, tile {tile.level}/{tile.index}", "differs from the recomputed one"
                    )
        checkpoint = self._checkpoints.pop(self._edge.size, None)
        if checkpoint is not None:
            self._checkpoint(*checkpoint)

    def _checkpoint(self, root: bytes, note: str) -> None:
        where = f"log {self._log.origin}, checkpoint {self._edge.size}"
        self._log.checkpoints += 1
        try:
            signed = verify_checkpoint(note.encode(), self._log.origin, [self._verifier])
        except VerificationFailed as exc:
            self._report.add(where, str(exc))
            return
        if (signed.size, signed.root) != (self._edge.size, self._edge.root()):
            self._report.add(where, "the leaves don't give the root that was signed")
            return
        self._log.covered = self._edge.size
        self._attestations.checkpoint(signed.size, note.encode())
        if root != signed.root:
            self._report.add(where, "its row differs from its signed note")

    def _leaves(self, placed: PlacedCommit, ends: list[int], body: bytes, hashes: bytes) -> list[LeafAt]:
        leaves: list[LeafAt] = []
        start = 0
        if len(ends) * HASH_BYTES != len(hashes) or (ends and ends[-1] != len(body)):
            where = f"log {self._log.origin}, commit {placed.commit_id}"
            self._report.add(where, "its leaves are not divided as sequenced")
            if not all(isinstance(end, int) for end in ends):
                return leaves  # an array of arrays, or with nothing in some place
        for ordinal, end in enumerate(ends):
            entry = body[start:end]
            start = end
            index = placed.first_index + ordinal
            where = f"log {self._log.origin}, index {index - self._start} (commit {placed.commit_id})"
            if leaf_hash(entry) != hashes[ordinal * HASH_BYTES : (ordinal + 1) * HASH_BYTES]:
                self._report.add(where, "the stored leaf is not the one that was sequenced")
                continue
            try:
                leaf = decode_leaf(entry)
            except VerificationFailed as exc:
                self._report.add(where, str(exc))
                continue
            leaves.append(LeafAt(index, ordinal, leaf))
        return leaves


def waiting_leaves(unplaced: UnplacedCommit) -> list[Leaf]:
    """The leaves of a signed commit that waits for its place, as far as they are what was signed."""
    leaves: list[Leaf] = []
    start = 0
    ends = unplaced.ends or []
    if not all(isinstance(end, int) for end in ends):
        return leaves
    for ordinal, end in enumerate(ends):
        body, start = (unplaced.body or b"")[start:end], end
        if leaf_hash(body) != unplaced.commit.hashes[ordinal * HASH_BYTES : (ordinal + 1) * HASH_BYTES]:
            return leaves  # named once it has its place
        try:
            leaves.append(decode_leaf(body))
        except VerificationFailed:
            return leaves
    return leaves
