"""Runs the fuzzer over every decoder, some at a time: `python -m bench.fuzz --seconds 600 [TARGET...]`."""

import argparse
import os
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Print a line for each decoder; exit 1 if one broke the rule."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description=__doc__)
    parser.add_argument("target", nargs="*", metavar="TARGET", help="all by default")
    parser.add_argument("--seconds", type=int, default=60, help="for all together (default: 60)")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="decoders at a time (default: one a core)"
    )
    parser.add_argument("--inputs", type=int, help="for each decoder, at most; default: as many as the time allows")
    parser.add_argument("--directory", type=Path, help="keeps the corpora; a temporary one by default")
    options = parser.parse_args()

    from bench.fuzz.harness import fuzz, instrumented  # atheris is an extra

    known = instrumented()
    unknown = set(options.target) - known.keys()
    if unknown:
        parser.error(f"no such decoder: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    targets = [known[name] for name in options.target or known]
    seconds = max(1, options.seconds * min(options.jobs, len(targets)) // len(targets))
    directory = options.directory or Path(tempfile.mkdtemp(prefix="fuzz-"))
    runs = fuzz(targets, seconds, options.jobs, directory, options.inputs)
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
