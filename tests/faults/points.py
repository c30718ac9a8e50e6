"""Named places in a commit at which a worker can be hurt, and how. A file in a directory arms one; who takes it is hit.

The worker's side is `tests.faults.faulty_worker`; this side writes the files.
"""

import os
import signal
from enum import StrEnum
from pathlib import Path
from typing import Final


class Point(StrEnum):
    """Where."""

    BEFORE = "before"
    """The frames are processed, the transaction has not begun."""

    DURING = "during"
    """Watermarks and ids are claimed and locked, no row is written."""

    COPYING = "copying"
    """In the middle of sending rows: the server waits for the next one inside a statement."""

    AFTER = "after"
    """Committed, and nothing has been acked."""


class Deed(StrEnum):
    """What happens there."""

    KILL = "kill"
    STOP = "stop"


SLOW: Final = "slow"
"""A file of this name makes every commit wait for as many seconds as it says: a slow disk."""


class Faults:
    """A directory of armed faults."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def arm(self, point: Point, deed: Deed) -> None:
        """Let the next worker that comes to the point be hurt."""
        (self.directory / f"{point}.{deed}").touch()

    def hit(self, point: Point, deed: Deed) -> int | None:
        """The process that was hurt, once one was."""
        for path in self.directory.glob(f"{point}.{deed}.*"):
            process = int(path.suffix[1:])
            path.unlink()
            return process
        return None

    def slow_down(self, seconds: float) -> None:
        """Make every commit slower from now on."""
        (self.directory / SLOW).write_text(str(seconds))

    def disarm(self) -> None:
        """Let nothing more happen, whatever was armed."""
        for path in self.directory.iterdir():
            if path.is_file():
                path.unlink(missing_ok=True)

    def speed_up(self) -> None:
        """Make commits as fast as they are."""
        (self.directory / SLOW).unlink(missing_ok=True)


def pause(directory: Path) -> float:
    """How long a commit is to wait."""
    try:
        return float((directory / SLOW).read_text() or 0)
    except FileNotFoundError:
        return 0.0


def suffer(directory: Path, point: Point) -> None:
    """Hurt this process if that is what is armed here."""
    for deed, number in ((Deed.KILL, signal.SIGKILL), (Deed.STOP, signal.SIGSTOP)):
        armed = directory / f"{point}.{deed}"
        try:
            armed.rename(armed.with_name(f"{armed.name}.{os.getpid()}"))
        except FileNotFoundError:
            continue
        os.kill(os.getpid(), number)
