"""Runs of atheris over decoders, each in a child of one process that has instrumented the packages once."""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import atheris

from bench.fuzz.target import Target

PACKAGES: Final = ["schemas", "security", "streams", "agents"]
MAX_INPUT_BYTES: Final = 65_536
INPUT_SECONDS: Final = 10
"""For one input, on a busy machine: what takes that long hangs."""

MEMORY_MB: Final = 1_024
GRACE_SECONDS: Final = 120
"""After its time, a child that has not ended by itself is ended."""

LINES_SHOWN: Final = 80
_LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Run:
    """What came of fuzzing one decoder.

    Attributes:
        status: 0 when the time was over; another at the first input that breaks the rule.
        broken: That input.
        text: The end of what the fuzzer printed.
    """

    name: str
    status: int
    broken: Path | None
    text: str


def instrumented() -> dict[str, Target]:
    """All decoders that can be fuzzed, by name; nothing of the packages may have been imported before."""
    with atheris.instrument_imports(include=PACKAGES):
        from bench.fuzz.targets import TARGETS

    return TARGETS


def fuzz(targets: Sequence[Target], seconds: int, jobs: int, directory: Path, inputs: int | None = None) -> list[Run]:
    """Fuzz decoders, some at a time.

    Args:
        seconds: For each.
        directory: Gets each one's corpus, which a later run goes on from, and the input that breaks the rule.
        inputs: For each, if it comes so far in its time; None for as many as it can.
    """
    with atheris.instrument_imports(include=PACKAGES):
        decoders = {target.name: target.load() for target in targets}
    statuses: dict[str, int] = {}
    running: dict[int, tuple[str, float]] = {}
    waiting = list(targets)
    while waiting or running:
        while waiting and len(running) < jobs:
            target = waiting.pop(0)
            corpus = directory / target.name
            corpus.mkdir(parents=True, exist_ok=True)
            for number, seed in enumerate(target.seeds()):
                (corpus / f"seed-{number}").write_bytes(seed)
            child = os.fork()
            if not child:
                _fuzz_here(target.name, decoders[target.name].accepts, seconds, inputs, directory)
            running[child] = target.name, time.monotonic() + seconds + GRACE_SECONDS
        time.sleep(_LOOK_SECONDS)
        for child, (name, until) in list(running.items()):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                statuses[name] = os.waitstatus_to_exitcode(status)
                del running[child]
            elif time.monotonic() > until:
                os.kill(child, signal.SIGKILL)
    return [_run(target.name, statuses[target.name], directory) for target in targets]


def _fuzz_here(
    name: str, accepts: Callable[[bytes], bool], seconds: int, inputs: int | None, directory: Path
) -> NoReturn:
    """Never returns: libFuzzer ends the process."""
    with (directory / f"{name}.log").open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    options = [
        f"-max_total_time={seconds}",
        f"-runs={-1 if inputs is None else inputs}",
        f"-max_len={MAX_INPUT_BYTES}",
        f"-timeout={INPUT_SECONDS}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-artifact_prefix={directory / name}-",
        "-verbosity=0",
        "-print_final_stats=1",
    ]
    try:
        atheris.Setup([sys.argv[0], *options, str(directory / name)], accepts)
        atheris.Fuzz()
    finally:
        os._exit(1)


def _run(name: str, status: int, directory: Path) -> Run:
    lines = (directory / f"{name}.log").read_text(errors="replace").splitlines()
    broken = sorted(path for path in directory.glob(f"{name}-*") if path.is_file())
    return Run(name, status, broken[-1] if broken else None, "\n".join(lines[-LINES_SHOWN:]))
