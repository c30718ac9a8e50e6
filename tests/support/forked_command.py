"""A command that handles signals, which wants a process of its own: forked from one that has imported everything."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import sealstream.cli.worker
import sealstream.release.serving  # what a release and a worker import once they run
import sealstream.running.workers  # noqa: F401
from sealstream.cli import main as command_line
from tests.support.forkserver import PROCESSES
from tests.support.processes import PATIENCE, environment


def forked_command(*arguments: str, settings: Mapping[str, str], directory: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end; like `tests.support.processes.sealstream`."""
    with tempfile.TemporaryDirectory() as written:
        places = [Path(written, name) for name in ("out", "err")]
        process = PROCESSES.Process(
            target=_run, args=(arguments, environment(settings), directory, places), daemon=True
        )
        process.start()
        process.join(PATIENCE)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(arguments, PATIENCE)
        return subprocess.CompletedProcess(arguments, process.exitcode, *(place.read_text() for place in places))


def _run(arguments: Sequence[str], variables: Mapping[str, str], directory: Path, places: Sequence[Path]) -> None:
    become(variables, directory, places)
    sys.argv = ["sealstream", *arguments]
    command_line()


def become(variables: Mapping[str, str], directory: Path, places: Sequence[Path]) -> None:
    """Give this process the environment, directory, standard output and standard error that a new one would have."""
    for place, descriptor in zip(places, (1, 2), strict=True):
        written = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(written, descriptor)
        os.close(written)
    os.environ.clear()
    os.environ.update(variables)
    tempfile.tempdir = None
    os.chdir(directory)
