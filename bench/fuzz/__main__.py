"""Runs the fuzzer over every decoder, some at a time: `python -m bench.fuzz --seconds 600 [TARGET...]`."""

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.fuzz.target import Target
from bench.fuzz.targets import TARGETS

MAX_INPUT_BYTES: Final = 65_536
INPUT_SECONDS: Final = 10
"""For one input, on a busy machine: what takes that long hangs."""

MEMORY_MB: Final = 1_024
START_SECONDS: Final = 120
LINES_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class Run:
    """What came of fuzzing one decoder.

    Attributes:
        broken: The input that broke the rule.
        text: The end of what the fuzzer printed.
    """

    name: str
    status: int
    broken: Path | None
    text: str


def fuzz(target: Target, seconds: int, directory: Path) -> Run:
    """Fuzz one decoder.

    Args:
        directory: Gets the corpus, which a later run goes on from, and the input that breaks the rule.
    """
    corpus = directory / target.name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={MAX_INPUT_BYTES}",
        f"-timeout={INPUT_SECONDS}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-artifact_prefix={directory / target.name}-",
        "-verbosity=0",
        "-print_final_stats=1",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "bench.fuzz.harness", target.name, *options, str(corpus)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds + START_SECONDS,
        check=False,
    )
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "Instrumenting" not in line]
    text = "\n".join(lines[-LINES_SHOWN:])
    broken = sorted(path for path in directory.glob(f"{target.name}-*") if path.is_file())
    return Run(target.name, done.returncode, broken[-1] if broken else None, text)


def main() -> None:
    """Print a line for each decoder; exit 1 if one broke the rule."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description=__doc__)
    parser.add_argument("target", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--seconds", type=int, default=60, help="for all together (default: 60)")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="decoders at a time (default: one a core)"
    )
    parser.add_argument("--directory", type=Path, help="keeps the corpora; a temporary one by default")
    options = parser.parse_args()
    unknown = set(options.target) - TARGETS.keys()
    if unknown:
        parser.error(f"no such decoder: {', '.join(sorted(unknown))}")
    targets = [TARGETS[name] for name in options.target or TARGETS]
    seconds = max(1, options.seconds * min(options.jobs, len(targets)) // len(targets))
    directory = options.directory or Path(tempfile.mkdtemp(prefix="fuzz-"))
    with ThreadPoolExecutor(options.jobs) as pool:
        runs = list(pool.map(lambda target: fuzz(target, seconds, directory), targets))
    for run in runs:
        print(f"{run.name}: {'ok' if run.status == 0 else f'BROKEN by {run.broken}'} ({_executions(run.text)} inputs)")
        if run.status:
            print(run.text)
    sys.exit(any(run.status for run in runs))


def _executions(text: str) -> str:
    """How many inputs were tried, as libFuzzer's statistics say."""
    lines = [line for line in text.splitlines() if "number_of_executed_units" in line]
    return lines[-1].split()[-1] if lines else "no"


if __name__ == "__main__":
    main()
