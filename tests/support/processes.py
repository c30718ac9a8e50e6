"""Programs run as a user runs them, and everything they started."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.commands import run_command

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = (
    300.0  # only ever used up by a failing test; a command starts in 3 s, and in a minute on a machine that is busy
)
LOOK_SECONDS = 0.2
"""Between two looks at a command's processes, each of which reads what the machine says of every process."""
SIGNALLED = ("run", "up", "worker", "witness", "audit serve", "audit tail")
"""Commands that handle signals, which only a process's first thread may."""

Process = tuple[int, str]
"""Process id and start time: an id alone may be somebody else's by now."""


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with these settings of the product and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SEALSTREAM_")}
    return {**kept, "PYTHONPATH": str(ROOT), **settings}


def sealstream(
    *arguments: str, settings: Mapping[str, str], directory: Path, own_process: bool = False
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end: in this process, which saves a second, unless it handles signals.

    Args:
        own_process: Start the program as users do.
    """
    if not own_process and not " ".join(arguments).startswith(SIGNALLED):
        return run_command(arguments, environment(settings), directory, PATIENCE)
    return subprocess.run(
        [sys.executable, "-m", "sealstream", *arguments],
        env=environment(settings),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class WatchedCommand:
    """A command that runs beside the test; every process below it is remembered. A context manager."""

    def __init__(self, arguments: Sequence[str], settings: Mapping[str, str], directory: Path) -> None:
        self.talk: list[str] = []
        self.family: set[Process] = set()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sealstream", *arguments],
            env=environment(settings),
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._watch, self._listen, self._read)]
        self.output = ""
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> "WatchedCommand":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        # What a failing test leaves behind is ended here, so that it is only reported once.
        for each in self.left():
            with suppress(ProcessLookupError):
                os.kill(each[0], signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the command itself, whose processes are those of this moment too."""
        self.family |= descendants(self._process.pid)
        self._process.send_signal(number)

    def until_it_says(self, text: str) -> None:
        """Wait for a line on stderr."""
        self.until(lambda: any(text in line for line in self.talk))

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds while the command runs; fail with what it said when it ends first."""
        until(lambda: condition() or self._process.poll() is not None)
        assert self._process.poll() is None, self.talk

    def wait(self) -> int:
        """Wait for its end; returns the exit code."""
        code = self._process.wait(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)
        return code

    def left(self) -> set[Process]:
        """Those of its processes that still run."""
        return {each for each in self.family if _identity(each[0]) == each}

    def _watch(self) -> None:
        while self._process.poll() is None:
            self.family |= descendants(self._process.pid)
            time.sleep(LOOK_SECONDS)

    def _listen(self) -> None:
        assert self._process.stderr is not None
        self.talk += iter(self._process.stderr.readline, "")

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.output = self._process.stdout.read()


def until(condition: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait until a condition holds, and fail when it never does."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def descendants(process: int) -> set[Process]:
    """The processes below one, zombies left out."""
    children: dict[int, list[int]] = {}
    identities: dict[int, Process] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (stat := _stat(pid := int(name))) is not None:
            children.setdefault(int(stat[1]), []).append(pid)
            if stat[0] != b"Z":
                identities[pid] = pid, stat[19].decode()
    found: set[Process] = set()
    waiting = [process]
    while waiting:
        for child in children.get(waiting.pop(), []):
            waiting.append(child)
            if (identity := identities.get(child)) is not None:
                found.add(identity)
    return found


def _identity(process: int) -> Process | None:
    stat = _stat(process)
    return None if stat is None or stat[0] == b"Z" else (process, stat[19].decode())


def _stat(process: int) -> list[bytes] | None:
    """Fields of /proc/PID/stat from the state on: 0 is the state, 1 the parent, 19 the start time."""
    # Without a file object, which takes three times as long: some hundred processes are read at each look.
    try:
        file = os.open(f"/proc/{process}/stat", os.O_RDONLY)
    except OSError:
        return None
    try:
        return os.read(file, 4096).rpartition(b") ")[2].split()
    except OSError:
        return None
    finally:
        os.close(file)
