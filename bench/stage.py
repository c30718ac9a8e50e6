"""Processes that have their partitions and wait behind the gate, and waiting for what comes of them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.cpu import Kinds, cpu_seconds
from bench.gate import assignments, open_gate
from schemas.errors import SealstreamError
from sealstream.running.supervisor import Watched, wait_for_end
from sealstream.settings import Settings

POLL_SECONDS: Final = 0.05
STALL_LIMIT: Final = 60.0


class BenchError(SealstreamError):
    """A run did not do what it should have; its numbers would mean nothing."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a run has started.

    Attributes:
        settings: Of its workers.
        directory: Its own, with the gate and the workers' logs.
        watched: Processes that must not end by themselves.
        kinds: Whose CPU seconds are counted.
    """

    settings: Settings
    directory: Path
    watched: Sequence[Watched]
    kinds: Kinds

    async def joined(self, workers: int, partitions: int) -> None:
        """Wait until so many workers have all partitions, each at least one."""

        async def assigned() -> bool:
            found = assignments(self.directory)
            return len(found) == workers and all(found) and sum(found) == partitions

        await self.until(assigned)

    def open(self) -> dict[str, float]:
        """Start the clock; returns the CPU seconds that were used before, by kind."""
        used = cpu_seconds(self.kinds)
        open_gate(self.directory)
        return used

    def used_since(self, before: dict[str, float]) -> dict[str, float]:
        """CPU seconds by kind since then."""
        return {kind: seconds - before[kind] for kind, seconds in cpu_seconds(self.kinds).items()}

    async def until(self, done: Callable[[], Awaitable[object]], limit: float = STALL_LIMIT) -> None:
        """Poll until something holds.

        Args:
            limit: Seconds to wait at most.

        Raises:
            BenchError: It does not within the limit, or a worker ended.
        """
        ended = asyncio.create_task(wait_for_end(self.watched))
        deadline = time.monotonic() + limit
        try:
            while not await done():
                if ended.done():
                    ended.result()
                if time.monotonic() > deadline:
                    raise BenchError(f"nothing came of it within {limit:g} s; {self.last_words()}")
                await asyncio.sleep(POLL_SECONDS)
        except BenchError:
            raise
        except SealstreamError as exc:
            raise BenchError(f"{exc}; {self.last_words()}") from exc
        finally:
            ended.cancel()

    def last_words(self) -> str:
        """The end of each worker's log, whose file goes with the run."""
        return "; ".join(f"{each.name}: {each.log.read_text()[-1500:]}" for each in self.watched)
