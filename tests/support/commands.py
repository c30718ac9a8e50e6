"""A command of the command line run inside this process, with all that a process of its own would have of its own.

Starting the interpreter and loading the libraries costs more than most commands do.
"""

import io
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import structlog
import typer.main

from sealstream.cli import main
from sealstream.cli.app import app

_ONE_AT_A_TIME = threading.Lock()
# A program makes its commands once; here it would for each command, which takes as long as some of them do.
_TREE = typer.main.get_command(app)


def run_command(
    arguments: Sequence[str], environment: Mapping[str, str], directory: Path, patience: float
) -> "subprocess.CompletedProcess[str]":
    """Run a command in a thread, as it has an event loop of its own; nothing that it sets up stays behind."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    codes: list[int] = []

    def run() -> None:
        codes.append(_exit_code())

    with (
        _ONE_AT_A_TIME,
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch.object(sys, "argv", ["sealstream", *arguments]),
        mock.patch.object(sys, "excepthook", sys.__excepthook__),
        mock.patch.object(typer.main, "get_command", return_value=_TREE),
        _inside(directory),
        _logs_kept(),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(patience)
    if not codes:
        raise subprocess.TimeoutExpired(list(arguments), patience)
    return subprocess.CompletedProcess(list(arguments), codes[0], _written(out), _written(err))


def _exit_code() -> int:
    """What the program would exit with."""
    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        return 1


@contextmanager
def _inside(directory: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _logs_kept() -> Iterator[None]:
    """Commands set up the logs of their process."""
    structured, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    # Otherwise setting them up would close those that are there.
    root.handlers = []
    try:
        yield
    finally:
        structlog.configure(**structured)
        root.handlers = handlers
        root.setLevel(level)


def _written(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read().replace("\r\n", "\n")
