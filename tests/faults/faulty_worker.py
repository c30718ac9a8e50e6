"""A worker in which a commit can be hurt at named points."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from streams.storage.commit import Claims, CommitRequest, CommitStore
from streams.storage.commit_rows import CommitRows, Row
from tests.faults.points import Point, pause, suffer


def install(directory: Path) -> None:
    """Put the points into every commit of this process."""
    whole = CommitStore.commit

    async def commit(self: CommitStore, request: CommitRequest) -> set[tuple[str, int]]:
        await asyncio.sleep(pause(directory))
        suffer(directory, Point.BEFORE)

        def finish(claims: Claims) -> CommitRows:
            suffer(directory, Point.DURING)
            rows = request.finish(claims)
            return replace(rows, messages=_Rows(directory, rows.messages))  # type: ignore[arg-type]

        won = await whole(self, replace(request, finish=finish))
        suffer(directory, Point.AFTER)
        return won

    CommitStore.commit = commit  # type: ignore[method-assign]


class _Rows:
    """Rows on their way, between two of which something may happen."""

    def __init__(self, directory: Path, rows: list[Row]) -> None:
        self._directory = directory
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            yield row
            suffer(self._directory, Point.COPYING)
