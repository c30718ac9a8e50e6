"""Compare the versions of index keys with the `key` leaves about them. Rotating is agents.upkeep.reindexing.

A version decides with which key blind terms are compared: lowered by SQL, terms of a retired key would count again.
"""

from collections.abc import Sequence

from agents.audit.findings import LogReport, VerifyReport
from agents.upkeep.reindexing import BEGUN, RETIRED
from schemas.leaf import Leaf
from streams.storage.index_keys import IndexRotation


class IndexKeyCheck:
    """Collects what the logs say about index keys, then compares it with the rows.

    Args:
        rotations: The newest rotation of each field, as stored.
    """

    def __init__(self, report: VerifyReport, rotations: Sequence[IndexRotation]) -> None:
        self._report = report
        self._stored = {(each.tenant, each.field): (each.version, each.finished) for each in rotations}
        self._said: dict[tuple[str, str], tuple[int, bool]] = {}
        self._last: dict[tuple[str, str], tuple[LogReport, int | None]] = {}

    def see(self, log: LogReport, where: str, leaf: Leaf, index: int | None = None) -> None:
        """Go on with a leaf, if it is about an index key.

        Args:
            where: Where it stands, for findings.
            index: Its place in the log; None while it has none.
        """
        what = leaf.index_key
        if leaf.kind != "key" or what is None:
            return
        if leaf.actor is None or leaf.basis is None:
            self._report.add(where, "a change of an index key does not say who made it, and on what basis")
        log.key_changes += 1
        place = log.tenant, what.field
        version, finished = self._said.get(place, (0, True))
        follows = {(BEGUN, True): version + 1, (RETIRED, False): version}.get((what.change, finished))
        if follows != what.version:
            self._report.add(where, f"{what.change} of index key {what.version} does not follow what was before")
        self._said[place] = what.version, what.change == RETIRED
        self._last[place] = log, index

    def finish(self) -> None:
        """Compare."""
        for tenant, field in sorted(self._stored.keys() | self._said.keys()):
            place = tenant, field
            stored, said = self._stored.get(place, (0, True)), self._said.get(place, (0, True))
            if stored != said and not self._lost(place):
                self._report.add(
                    f"tenant {tenant}, index key of field {field}",
                    f"{_state(*stored)} is stored, and {_state(*said)} is what the log says",
                )

    def _lost(self, place: tuple[str, str]) -> bool:
        """Whether the last leaf's commit was brought back from the audit topic, and its rows were not."""
        log, index = self._last.get(place, (None, None))
        return log is not None and index is not None and any(f.start <= index < f.end for f in log.recoveries)


def _state(version: int, finished: bool) -> str:
    return f"version {version}{'' if finished else ', under way'}"
