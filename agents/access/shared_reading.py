"""One reading for all who ask at once: as fresh to each as their own, since it begins after they asked.

What is read is the caller's; nothing is kept here from one reading to the next.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedReading(Generic[T]):
    """Reads for everybody who waits.

    Who asks while a reading is under way waits for the next one: that which runs may have looked already.

    Args:
        read: Reads; never twice at the same time.
    """

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self._read = read
        self._running: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """What a reading gives that begins after this call; raises what it raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._run(self._running), name="shared reading")
        # Who gives up waiting does not end it for the others.
        return await asyncio.shield(self._next)

    async def _run(self, before: "asyncio.Task[T] | None") -> T:
        if before is not None:
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        return await self._read()
