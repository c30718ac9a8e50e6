"""Compare the stored tier keys with the `key` leaves about them. Making changes is agents.keys.custodian.

The first epoch of a scope is made when it is first needed, and has no leaf; whatever comes later has one. Rows that a
restored backup lacks are no finding where the leaf about them was brought back from the audit topic.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from agents.audit.findings import LogReport, VerifyReport
from agents.keys.custodian import tier_key_change
from schemas.leaf import Leaf, TierKeyChange
from security.key_provider import Scope
from security.tier_keys import TierKeyRecord

_STORED: Final = frozenset({"rotate", "rewrap"})
"""Changes after which the leaf says how the tier key is stored."""


@dataclass(frozen=True, slots=True)
class _Said:
    """A leaf about a tier key.

    Attributes:
        index: Its place in the log; None while it has none.
    """

    where: str
    index: int | None
    what: TierKeyChange


class TierKeyCheck:
    """Collects what the logs say about tier keys, then compares it with the rows.

    Args:
        records: The tier keys as stored.
        is_destroyed: Whether the provider's keys of a scope are destroyed and gone.
    """

    def __init__(
        self, report: VerifyReport, records: Sequence[TierKeyRecord], is_destroyed: Callable[[Scope], bool]
    ) -> None:
        self._report = report
        self._records = records
        self._is_destroyed = is_destroyed
        self._shredded: dict[tuple[str, str], _Said] = {}
        self._last_use: dict[tuple[str, str], tuple[int, str]] = {}
        self._said: dict[tuple[str, str], list[_Said]] = {}
        self._logs: dict[str, LogReport] = {}

    def see(self, log: LogReport, where: str, leaf: Leaf, index: int | None = None) -> None:
        """Go on with a leaf, if it is about a tier key.

        Args:
            where: Where it stands, for findings.
            index: Its place in the log; None while it has none.
        """
        what = leaf.tier_key
        if leaf.kind != "key" or what is None:
            return
        if leaf.actor is None or leaf.basis is None:
            self._report.add(where, "a change of tier keys does not say who made it, and on what basis")
        log.key_changes += 1
        self._logs[log.tenant] = log
        before = self._said.setdefault((log.tenant, what.id), [])
        if before and what.change == "rotate":
            self._report.add(where, f"rotate names tier key {what.id}, which was there before")
        if what.change in _STORED:
            before.append(_Said(where, index, what))
        elif what.change == "shred":
            self._shredded[log.tenant, what.id] = _Said(where, index, what)

    def shredded(self, log: LogReport, where: str, index: int, key_id: str) -> None:
        """A field can't be opened because its tier key, by its row, was shredded.

        Args:
            index: Place of the record's leaf.
        """
        last, _ = self._last_use.get((log.tenant, key_id), (-1, ""))
        if index > last:
            self._last_use[log.tenant, key_id] = index, where

    def finish(self) -> None:
        """Compare every row with the last leaf about it, and every last leaf with its row."""
        left = dict(self._said)
        for place, (index, where) in self._last_use.items():
            shred = self._shredded.get(place)
            if shred is None:
                self._report.add(where, f"tier key {place[1]} counts as shredded, and no leaf says so")
            elif shred.index is not None and shred.index < index:
                self._report.add(
                    where, f"it is sealed under tier key {place[1]}, which {shred.where} had shredded before"
                )
        for record in self._records:
            self._compare(record, left.pop((record.scope.tenant, record.key_id), []))
        for (tenant, key_id), said in sorted(left.items()):
            if said and not all(self._lost(tenant, each) for each in said):
                self._report.add(f"tier key {key_id}", f"{said[-1].where} says that it is there, and its row is gone")

    def _compare(self, record: TierKeyRecord, said: Sequence[_Said]) -> None:
        scope = record.scope
        where = f"tier key {record.key_id} ({scope.tenant}/{scope.domain}, tier {scope.tier}, epoch {scope.epoch})"
        shredded = self._shredded.get((scope.tenant, record.key_id))
        if record.shredded or shredded is not None:
            self._compare_shredded(where, record, shredded)
            return
        if scope.epoch > 1 and not any(each.what.change == "rotate" for each in said):
            self._report.add(where, "no leaf says that this epoch was begun")
        for each in reversed(said):
            what = each.what
            if tier_key_change(record, what.change, follows=what.follows, retire=what.retire) == what:
                return
            if not self._lost(scope.tenant, each):
                self._report.add(where, f"its row is not what {each.where} says")
                return

    def _compare_shredded(self, where: str, record: TierKeyRecord, said: _Said | None) -> None:
        if said is None:
            self._report.add(where, "its row says that it was shredded, and no leaf does")
        elif not record.shredded or record.wrapped.ciphertext:
            self._report.add(where, f"{said.where} says that it was shredded, and its row is whole")
        elif not self._is_destroyed(record.scope):
            what = "was shredded, and the key provider still has its key; run `sealstream keys shred` again"
            self._report.add(where, f"{said.where} says that it {what}")

    def _lost(self, tenant: str, said: _Said) -> bool:
        """Whether the rows of that leaf's commit were lost, and a recovery says so."""
        index = said.index
        return index is not None and any(found.start <= index < found.end for found in self._logs[tenant].recoveries)
