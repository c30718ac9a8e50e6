"""Where the third-party data and the standards' vectors lie, for the tests that need them."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("SEALSTREAM_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def shared(relative: str) -> Path:
    """Path of a file or folder under the shared data; skips with a reason where it is absent, fails in CI."""
    path = SHARED / relative
    if path.exists():
        return path
    message = f"needs {relative} under {SHARED}; set SEALSTREAM_SHARED to where the shared data lies"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
