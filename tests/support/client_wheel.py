"""The client's wheel as its users have it: built, and installed into an environment that holds nothing else."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.processes import ROOT

PROJECT = ROOT / "deploy" / "client"
# Nothing of ours reaches the environment but by the wheel.
CLEAN = {
    name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "SEALSTREAM_", "VIRTUAL_ENV"))
}


def built_wheel(directory: Path) -> Path:
    """Build it."""
    arguments = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(directory)]
    subprocess.run(arguments, cwd=PROJECT, check=True, capture_output=True, text=True)
    (wheel,) = directory.glob("*.whl")
    return wheel


def installed_into_nothing(wheel: Path, directory: Path) -> Path:
    """Install it with its dependencies; gives the new environment's Python."""
    uv = Path(sys.executable).parent / "uv"
    python = directory / "bin" / "python"
    lock = ["--constraints", str(ROOT / "requirements.lock")]
    for arguments in (
        ["venv", "--python", sys.executable, str(directory)],
        ["pip", "install", "--python", str(python), *lock, str(wheel)],
    ):
        environment = CLEAN | {"UV_SYSTEM_CERTS": "1"}
        done = subprocess.run([uv, *arguments], env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return python
