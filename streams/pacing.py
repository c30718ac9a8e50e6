"""How long a loop that follows other work rests between two looks for more.

Each look costs the same whether it finds one commit or a hundred: at once after every commit, looking takes more of
the machine than what it follows, which is then late. A step is therefore followed by a rest of several times its own
length, and looks in vain come less and less often; a loop that is behind does not rest.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

_TIMES: Final = 4
"""Rest after a step, in lengths of that step: of one core, a loop takes at most a fifth."""

_SHORTEST: Final = 0.01
_LONGEST: Final = 0.05
"""Seconds: by so much what is followed is seen later, at most."""


class Pacing:
    """The rests of one loop, which begins now."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._started = clock()
        self._idle = _SHORTEST

    async def rest(self, *, found: bool, more: bool) -> None:
        """Rest after a step.

        Args:
            found: The step had something to do.
            more: It left something undone.
        """
        if found or more:
            self._idle = _SHORTEST
            pause = 0.0 if more else min(_TIMES * (self._clock() - self._started), _LONGEST)
        else:
            pause = self._idle
            self._idle = min(2 * pause, _LONGEST)
        if pause:
            await self._sleep(pause)
        self._started = self._clock()
