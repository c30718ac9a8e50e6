"""Leaves that a recovery brought back have no rows; leaves that say one again name it. Both are checked here.

A `recover` leaf accounts for the commits right before it, and for nothing else: a row that is gone elsewhere stays a
finding. A record is counted at its first leaf; the leaf that says it again is the one whose rows are there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from agents.audit.findings import LogReport, RecoveredRange, VerifyReport
from agents.audit.tree import LeafAt
from agents.commits.routing import ends_deferred
from schemas.errors import VerificationFailed
from schemas.leaf import Leaf, decode_leaf
from streams.storage.auditing import CommitContents, PlacedCommit

RECORD_KINDS: Final = frozenset({"accepted", "closing", "result", "rejected", "duplicate"})
ROW_KINDS: Final = RECORD_KINDS | {"read", "search", "replay", "erase", "review"}
HELD_WITH_LEAVES: Final = 100


@dataclass(frozen=True, slots=True)
class Held:
    """A commit without any row, until a `recover` leaf accounts for it; the leaves of the first ones are kept."""

    placed: PlacedCommit
    leaves: Sequence[LeafAt] | None
    rows: CommitContents


@dataclass(slots=True)
class _Said:
    """What a later leaf says again."""

    where: str
    index: int
    name: str | None
    repeat: bool
    ending: bool


@dataclass(slots=True)
class RecoveryCheck:
    """Follows one log's recoveries."""

    log: LogReport
    report: VerifyReport
    _held: list[Held] = field(default_factory=list)
    _seen: list[bytearray] = field(default_factory=list)
    _said: list[_Said] = field(default_factory=list)

    def holds(self, placed: PlacedCommit, leaves: Sequence[LeafAt], rows: CommitContents) -> bool:
        """Whether the commit looks like one that was brought back; its check is put off then."""
        if placed.commit is None or placed.commit.watermark or any(rows.tables.values()):
            return False
        # One that has no rows by its nature is not put off, unless it could not have its old number again.
        if not any(_has_row(each.leaf) or each.leaf.commit != placed.commit_id for each in leaves):
            return False
        self._held.append(Held(placed, leaves if len(self._held) < HELD_WITH_LEAVES else None, rows))
        return True

    def see(self, leaves: Sequence[LeafAt]) -> list[Held]:
        """Look at the leaves of a commit with rows; returns held commits that turn out not to be accounted for."""
        loose: list[Held] = []
        for each in leaves:
            where = self.log.at(each.index)
            if each.leaf.kind == "recover" and each.leaf.span is None:
                loose += self._recovery(where, each)
            elif each.leaf.first is not None and each.leaf.kind in RECORD_KINDS:
                self._again(where, each)
        return loose

    def finish(self) -> list[Held]:
        """Held commits that no leaf accounts for."""
        loose, self._held = self._held, []
        return loose

    def asked(self) -> list[int]:
        """Indexes of recovered leaves that this batch says again."""
        return [each.index for each in self._said]

    def settle(self, bodies: Mapping[int, bytes]) -> None:
        """Compare what is said again with the recovered leaves."""
        for each in self._said:
            try:
                leaf = decode_leaf(bodies[each.index])
            except (KeyError, VerificationFailed):
                continue  # a finding already, where it stands
            said = _Said(each.where, each.index, _name(leaf), leaf.kind == "duplicate", ends_deferred(leaf))
            if said != each:
                self.report.add(each.where, f"it says leaf {each.index} again, which is about another record")
        self._said.clear()

    def _recovery(self, where: str, each: LeafAt) -> list[Held]:
        start = self.log.place(each.leaf.first)
        if start is None or each.leaf.count != each.index - start or each.leaf.count < 0:
            self.report.add(where, "the recovery names no range that ends at its own leaf")
            return self.finish()
        loose = [held for held in self._held if held.placed.first_index < start]
        self._held.clear()
        self.log.recoveries.append(RecoveredRange(start, each.index))
        self._seen.append(bytearray((each.index - start + 7) // 8))
        return loose

    def _again(self, where: str, each: LeafAt) -> None:
        index = self.log.place(each.leaf.first)
        for found, seen in zip(self.log.recoveries, self._seen, strict=True):
            if index is not None and found.start <= index < found.end:
                byte, bit = divmod(index - found.start, 8)
                if seen[byte] >> bit & 1:
                    self.report.add(where, f"leaf {index} was said again before")
                seen[byte] |= 1 << bit
                found.again += 1
                leaf = each.leaf
                self._said.append(_Said(where, index, _name(leaf), leaf.kind == "duplicate", ends_deferred(leaf)))
                return
        self.report.add(where, "first names no leaf that was brought back")


def _has_row(leaf: Leaf) -> bool:
    return leaf.kind in ROW_KINDS or (leaf.kind == "recover" and leaf.span is not None)


def _name(leaf: Leaf) -> str | None:
    return leaf.record or leaf.message
