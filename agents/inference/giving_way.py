"""How one process computes an urgent batch before another one that has begun: by the priorities of its two threads.

The operating system interrupts the thread of lower priority within the call of a runtime; nothing has to be cut. Linux
keeps a nice value for each thread, other systems for a process: there a device has no express slot. A runtime's own
threads, where a model asks for more than one, keep the usual priority.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SUPPORTED: Final = sys.platform == "linux"

NICENESS: Final = 10
"""The thread gets a tenth of what one of usual priority gets beside it. With 19 it would be 1.5 %; but strangers keep
such a thread from the processor too, and while it holds a lock, such as the interpreter's, the urgent one waits."""

SWITCH_SECONDS: Final = 0.0005
"""After which a thread that holds the interpreter's lock is asked to give it up."""


def give_way() -> None:
    """Have the calling thread, and no other, computed when others leave it time."""
    own = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) + NICENESS)


class UrgentTime:
    """How long urgent batches have been computed so far, one at a time; another thread asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = 0.0
        self._began: float | None = None

    @contextmanager
    def counted(self) -> Iterator[None]:
        """One is computed meanwhile."""
        with self._lock:
            self._began = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._ended += time.monotonic() - self._began
                self._began = None

    def seconds(self) -> float:
        """Until now."""
        with self._lock:
            return self._ended + (time.monotonic() - self._began if self._began is not None else 0.0)


class StoodStill:
    """How long the calling thread's work stands still for urgent batches, from here on."""

    def __init__(self, urgent: UrgentTime) -> None:
        self._urgent = urgent
        self._before = urgent.seconds()
        self._began = time.monotonic()
        self._used = time.thread_time()

    def seconds(self) -> float:
        """No longer than urgent work was computed, nor than the thread was not: it may have a core of its own."""
        idle = time.monotonic() - self._began - (time.thread_time() - self._used)
        return max(min(self._urgent.seconds() - self._before, idle), 0.0)
