"""Readings that are shared: none is older than the question, and no more are made than are needed."""

import asyncio

import pytest

from agents.access.shared_reading import SharedReading


class Source:
    """Counts readings, each of which takes until it is let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.under_way = 0
        self.value = 0
        self.go = asyncio.Event()

    async def read(self) -> int:
        self.begun += 1
        self.under_way += 1
        assert self.under_way == 1
        found = self.value
        try:
            await self.go.wait()
            if found < 0:
                raise ValueError("negative")
        finally:
            self.under_way -= 1
        return found


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_asks_at_once_shares_and_who_asks_later_gets_what_holds_later() -> None:
    source = Source()
    shared = SharedReading(source.read)
    first = [asyncio.create_task(shared.get()) for _ in range(5)]
    await settle()
    source.value = 1
    later = [asyncio.create_task(shared.get()) for _ in range(5)]
    await settle()
    assert source.begun == 1
    source.go.set()
    assert await asyncio.gather(*first) == [0] * 5
    assert await asyncio.gather(*later) == [1] * 5
    assert source.begun == 2
    source.value = 2
    assert await shared.get() == 2


async def test_a_failure_is_of_those_who_waited_for_it_alone() -> None:
    source = Source()
    source.value = -1
    source.go.set()
    shared = SharedReading(source.read)
    for _ in range(2):
        with pytest.raises(ValueError, match="negative"):
            await shared.get()
    source.value = 3
    assert await shared.get() == 3


async def test_who_gives_up_ends_it_for_nobody_else() -> None:
    source = Source()
    shared = SharedReading(source.read)
    hasty, patient = asyncio.create_task(shared.get()), asyncio.create_task(shared.get())
    await settle()
    hasty.cancel()
    await settle()
    source.go.set()
    assert await patient == 0
    assert hasty.cancelled()
    assert source.begun == 1
