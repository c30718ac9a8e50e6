import asyncio

import pytest

from streams.storage.database import Database
from streams.storage.ids import BLOCKS, BlockEmpty, IdBlock


async def test_numbers_are_never_given_out_twice_not_even_to_two_processes(dsn: str) -> None:
    async with Database(dsn, name="test") as database:
        blocks = [IdBlock(database, "commit_ids") for _ in range(3)]
        taken: list[int] = []
        for needed in (1, 150, 99, 100, 101):
            await asyncio.gather(*(block.refill(needed) for block in blocks))
            taken += [block.take() for block in blocks for _ in range(needed)]
        assert len(set(taken)) == len(taken) == 3 * 451


async def test_taking_what_was_not_announced_is_an_error(dsn: str) -> None:
    async with Database(dsn, name="test") as database:
        block = IdBlock(database, "pass_ids")
        with pytest.raises(BlockEmpty, match="refill"):
            block.take()
        await block.refill(1)
        for _ in range(1000):
            block.take()
        with pytest.raises(BlockEmpty, match="refill"):
            block.take()


async def test_the_blocks_are_as_long_as_the_sequences_advance(dsn: str) -> None:
    """Or two processes would hand out the same numbers."""

    async with Database(dsn, name="test") as database, database.session() as connection:
        rows = await connection.fetch("SELECT sequencename, increment_by FROM pg_sequences")
    increments = {row["sequencename"]: row["increment_by"] for row in rows}
    assert {name: increments[name] for name in BLOCKS} == BLOCKS
