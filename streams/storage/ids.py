"""Ids that a client takes in blocks from a sequence: one round trip for many commits or sealing passes."""

import asyncio
from typing import Final

from schemas.errors import StorageError
from streams.storage.database import Database

BLOCKS: Final = {"commit_ids": 100, "pass_ids": 1_000}
"""Numbers in a block: the sequence's increment. Whoever took more of them than that would take another's."""


class BlockEmpty(StorageError):
    """The caller took more numbers than it announced: a mistake of ours, and no record's fault."""


class IdBlock:
    """Hands out numbers of one sequence. Gaps are normal.

    Args:
        sequence: `commit_ids` or `pass_ids`.
    """

    def __init__(self, database: Database, sequence: str) -> None:
        self._database = database
        self._sequence = sequence
        self._size = BLOCKS[sequence]
        self._free: list[range] = []
        self._refilling = asyncio.Lock()

    @property
    def at_hand(self) -> int:
        """How many numbers can be taken without asking the database."""
        return sum(map(len, self._free))

    async def refill(self, needed: int) -> None:
        """Make sure that `needed` more numbers can be taken at once; of several that ask together one does the work."""
        async with self._refilling:
            missing = needed - self.at_hand
            if missing <= 0:
                return
            async with self._database.session() as connection:
                rows = await connection.fetch(
                    "SELECT nextval($1::text::regclass) AS start FROM generate_series(1, $2)",
                    self._sequence,
                    -(-missing // self._size),
                )
            self._free += [range(row["start"], row["start"] + self._size) for row in rows]

    def take(self) -> int:
        """The next number; `refill` must have been awaited.

        Raises:
            BlockEmpty: The caller took more than it announced.
        """
        if not self._free:
            raise BlockEmpty(f"no number of {self._sequence} at hand; refill before taking")
        block = self._free[0]
        number = block[0]
        if len(block) > 1:
            self._free[0] = block[1:]
        else:
            self._free.pop(0)
        return number
