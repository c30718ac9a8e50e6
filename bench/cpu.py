"""CPU seconds of processes, children included, from /proc."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")

Kinds = Mapping[str, Sequence[int]]
"""What a process does, to the ids of the processes that do it."""


@dataclass(frozen=True, slots=True)
class _Stat:
    parent: int
    own: int
    reaped: int
    """Of children that have ended and were waited for."""


def cpu_seconds(kinds: Kinds) -> dict[str, float]:
    """User and system seconds by kind, from the start of the processes until now."""
    stats = {int(path.name): stat for path in Path("/proc").glob("[0-9]*") if (stat := _read(path)) is not None}
    children: dict[int, list[int]] = {}
    for pid, stat in stats.items():
        children.setdefault(stat.parent, []).append(pid)

    def total(pid: int) -> int:
        stat = stats.get(pid)
        return stat.own + stat.reaped + sum(map(total, children.get(pid, ()))) if stat else 0

    return {kind: sum(map(total, pids)) / _TICKS for kind, pids in kinds.items()}


def _read(path: Path) -> _Stat | None:
    try:
        # The name, in parentheses, may hold blanks.
        fields = (path / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    user, system, child_user, child_system = map(int, fields[11:15])
    return _Stat(int(fields[1]), user + system, child_user + child_system)
