"""Holds workers back until every one has its partitions: the clock starts for all of them at once."""

import asyncio
from pathlib import Path
from typing import Final

POLL_SECONDS: Final = 0.002
_GO: Final = "go"
_SUFFIX: Final = ".assigned"


class Gate:
    """One worker's side. Which worker it is, the name says.

    Args:
        directory: Shared with the harness, empty at the start of a run.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory
        self._name = name

    def assigned(self, partitions: int) -> None:
        """Tell how many partitions this worker has now; each rebalance counts anew."""
        partial = self.directory / f"{self._name}.partial"
        partial.write_text(str(partitions))
        partial.rename(self.directory / f"{self._name}{_SUFFIX}")

    @property
    def is_open(self) -> bool:
        """Whether the clock runs."""
        return (self.directory / _GO).exists()

    async def opened(self) -> None:
        """Wait for the start."""
        while not self.is_open:  # noqa: ASYNC110  another process opens it
            await asyncio.sleep(POLL_SECONDS)


def open_gate(directory: Path) -> None:
    """Let all workers begin."""
    (directory / _GO).touch()


def assignments(directory: Path) -> list[int]:
    """The partitions of each worker that has told them."""
    return [int(path.read_text()) for path in directory.glob(f"*{_SUFFIX}")]
