"""Files that are there whole or not at all, and stay after a power cut."""

import os
from pathlib import Path


def replace_durably(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file: its contents reach the disk first, then its name in the directory.

    Args:
        mode: Who may read it; by default its owner alone.

    Raises:
        OSError: It may or may not be there.
    """
    part = path.with_name(f"{path.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
