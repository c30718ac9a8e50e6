"""Tessera's POSIX driver beside our log, by a Go program (bench/tessera); for `bench.log`."""

import asyncio
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from bench.log_findings import Told

TESSERA: Final = Path(__file__).parent / "tessera"
ENTRY_BYTES: Final = 900


async def tessera(entries: int, told: Told) -> None:
    """Durable appends of entries of about the same size, by one process that uses all cores."""
    if shutil.which("go") is None:
        told.rows.append(("Tessera's POSIX driver", "not measured: no Go here"))
        return
    with tempfile.TemporaryDirectory(prefix="bench-tessera-") as directory:
        program = Path(directory) / "tessera"
        build = ["go", "build", "-o", str(program), "."]
        await asyncio.to_thread(subprocess.run, build, cwd=TESSERA, check=True, capture_output=True)
        command = [str(program), str(Path(directory) / "log"), str(entries), str(ENTRY_BYTES)]
        done = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, text=True)
    told.figures["tessera"] = float(done.stdout)
    told.figures["leaves/tessera"] = told.figures["leaves"] / told.figures["tessera"]
    told.rows += [
        ("Tessera's POSIX driver, entries integrated and durable", f"{told.figures['tessera']:,.0f}/s"),
        ("leaves over Tessera's entries", f"{told.figures['leaves/tessera']:.2f}"),
    ]
