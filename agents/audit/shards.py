"""The trees of one log, shard after shard: each ends as the next one's first leaf says, and begins where it ended."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from agents.audit.findings import LogReport, VerifyReport
from agents.audit.tree import LeafAt, TreeCheck
from agents.log.held_export import HeldExport
from schemas.errors import VerificationFailed
from schemas.leaf import Leaf, decode_leaf
from schemas.log_change import LogChange
from security.checkpoint import verify_checkpoint
from security.note import Verifier
from streams.storage.auditing import PlacedCommit
from streams.storage.sequencing import LogRow

_CLOSE = "close"
_HOLDING = frozenset({"drop", "restore"})
_OPEN = "open"
_CHANGES = frozenset({"open", "succeed"})


@dataclass(frozen=True, slots=True)
class ShardTree:
    """One shard with what checks its tree.

    Attributes:
        held: Its export, where its leaves are held outside the database and somebody gave it.
    """

    row: LogRow
    log: LogReport
    check: TreeCheck
    verifier: Verifier
    held: HeldExport | None = None

    def whole(self, placed: PlacedCommit) -> PlacedCommit:
        """A commit with its leaves, from the export where they are not in the database."""
        if self.held is None or placed.body is not None:
            return placed
        first = placed.first_index - self.row.start
        try:
            leaves = self.held.leaves(first, first + placed.leaf_count)
        except VerificationFailed:
            return placed  # the export is checked as a whole, and named
        return replace(placed, ends=list(accumulate(map(len, leaves))), body=b"".join(leaves))


class LogTrees:
    """Walks all shards of one log in order.

    Args:
        trees: One for each shard, the first one first.
        is_asked: Whether a next shard was asked for that is not open yet.
        waiting: Signed leaves that wait for their place.
    """

    def __init__(
        self, report: VerifyReport, trees: Sequence[ShardTree], *, is_asked: bool, waiting: Sequence[Leaf] = ()
    ) -> None:
        self._report = report
        self._trees = trees
        self._is_asked = is_asked
        self._waiting = waiting
        self._outside: dict[str, LogChange] = {}
        self._at = 0
        self._last: Leaf | None = None
        self._closed_by: str | None = None
        self._announced: str | None = None

    @property
    def _now(self) -> ShardTree:
        return self._trees[self._at]

    def whole(self, placed: PlacedCommit) -> PlacedCommit:
        """The next commit, with its leaves from wherever they are held."""
        self._move_to(placed)
        return self._now.whole(placed)

    def held_leaf(self, place: int) -> bytes | None:
        """A leaf of a shard that is held outside, by its place among the leaves of all shards, if somebody gave it."""
        for each in self._trees:
            if each.held is not None and each.row.start <= place < (each.row.end or 0):
                first = place - each.row.start
                try:
                    return each.held.leaves(first, first + 1)[0]
                except VerificationFailed:
                    return None  # the export is checked as a whole, and named
        return None

    def held_leaves(self, places: Sequence[int]) -> dict[int, bytes]:
        """Those of these that are held outside, as far as somebody gave them."""
        return {place: leaf for place in places if (leaf := self.held_leaf(place)) is not None}

    def commit(self, placed: PlacedCommit) -> list[LeafAt]:
        """Check one commit and append its leaves; returns those that are what was sequenced."""
        placed = self.whole(placed)
        leaves = self._now.check.commit(placed)
        self._see(placed)
        return leaves

    def commit_bytes(self, placed: PlacedCommit) -> None:
        """Likewise; only the bytes of the leaves are looked at."""
        placed = self.whole(placed)
        self._now.check.commit_bytes(placed)
        self._see(placed)

    def finish(self, placed_to: int) -> None:
        """Compare what is left.

        Args:
            placed_to: Where the log's steps end, through all shards.
        """
        while self._at + 1 < len(self._trees):
            self._end_shard()
            self._add(f"log {self._now.row.origin}", "its first leaf, which says how the shard before ended, is gone")
        if self._closed_by is not None and not self._is_asked:
            self._add(self._closed_by, "it closes the shard, and no next one was asked for or opened")
        self._now.check.finish(placed_to - self._now.row.start)
        for leaf in self._waiting:
            self._hold(leaf)
        for each in self._trees:
            if each.row.is_dropped:
                self._is_said(each)

    def _is_said(self, dropped: ShardTree) -> None:
        """Whether a leaf says that a shard is held outside, as it ended."""
        said, log = self._outside.get(dropped.row.origin), dropped.log
        if said is None or said.change != "drop":
            self._add(f"log {log.origin}", "its leaves are dropped, and no leaf of the log says so")
        elif (said.size, said.root) != (log.size, log.root.hex()):
            self._add(f"log {log.origin}", "it was dropped as a shard that ended otherwise than it did")

    def _hold(self, leaf: Leaf | None) -> None:
        if leaf is not None and leaf.kind in _HOLDING and leaf.log is not None and leaf.log.change == leaf.kind:
            self._outside[leaf.log.origin] = leaf.log

    def _move_to(self, placed: PlacedCommit) -> None:
        """Go on with the shard that this commit stands in."""
        while (end := self._now.row.end) is not None and placed.first_index >= end and self._at + 1 < len(self._trees):
            self._end_shard()
            if placed.first_index == self._now.row.start:
                self._open(placed)
            else:
                self._add(f"log {self._now.row.origin}", "its first leaf, which says how the one before ended, is gone")

    def _end_shard(self) -> None:
        now = self._now
        end = now.row.end if now.row.end is not None else now.row.start
        if not now.row.lost and self._closed_by is None:
            self._add(f"log {now.row.origin}", "another shard follows, and its own last leaf does not close it")
        now.check.finish(end - now.row.start - now.row.lost)
        if not now.row.lost and now.log.covered != now.log.size:
            self._add(
                f"log {now.row.origin}", f"it is closed, and has no final checkpoint over its {now.log.size} leaves"
            )
        self._at += 1
        self._closed_by = None

    def _open(self, placed: PlacedCommit) -> None:
        """Compare the first leaf of a shard with how the one before ended."""
        where = f"log {self._now.row.origin}, index 0 (commit {placed.commit_id})"
        leaf = _last_leaf(placed)
        said = leaf.log if leaf is not None and leaf.kind == _OPEN else None
        if said is None or placed.leaf_count != 1 or said.change not in _CHANGES:
            self._add(where, "it does not say how the shard before ended")
            return
        before = self._trees[self._at - 1]
        if said.change == "open" and self._announced != self._now.verifier.vkey:
            self._add(where, f"{before.row.origin} announced another key for it than the one that signs it")
        if said.origin != before.row.origin or (said.change == "succeed") != bool(before.row.lost):
            self._add(where, "it speaks of another shard than the one before, or of another end")
        elif said.change == "open" and (said.size, said.root) != (before.log.size, before.log.root.hex()):
            self._add(where, f"it says that {before.row.origin} ended otherwise than it did")
        elif said.change == "succeed":
            self._declared(where, said, before)

    def _declared(self, where: str, said: LogChange, before: ShardTree) -> None:
        if said.lost != before.row.lost or said.size != before.log.size + said.lost:
            self._add(
                where, f"it says that {said.lost} of {said.size} leaves are lost, and {before.log.size} are there"
            )
        if said.note is None:
            return
        try:
            signed = verify_checkpoint(said.note.encode(), before.row.origin, [before.verifier])
        except VerificationFailed as exc:
            self._add(where, f"the checkpoint that it cites: {exc}")
            return
        if signed.size > (said.size or 0):
            self._add(where, "the checkpoint that it cites covers more leaves than it says were published")

    def _see(self, placed: PlacedCommit) -> None:
        """A leaf that closes the shard is its last one."""
        if self._closed_by is not None:
            self._add(self._closed_by, "it closes the shard, and leaves stand behind it")
            self._closed_by = None
        leaf = _last_leaf(placed) if placed.leaf_count == 1 else None
        self._hold(leaf)
        if leaf is not None and leaf.kind == _CLOSE:
            self._announced = leaf.log.vkey if leaf.log is not None else None
            index = placed.first_index - self._now.row.start
            self._closed_by = f"log {self._now.row.origin}, index {index} (commit {placed.commit_id})"

    def _add(self, where: str, what: str) -> None:
        self._report.add(where, what)


def _last_leaf(placed: PlacedCommit) -> Leaf | None:
    """The only leaf of a commit, unchecked: the tree's own check names it where it is not what was sequenced."""
    try:
        return decode_leaf(placed.body or b"")
    except VerificationFailed:
        return None
