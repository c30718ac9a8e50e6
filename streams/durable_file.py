"""Files that are there whole or not at all, and stay after a power cut."""

import os
from pathlib import Path


def replace_durably(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read: its contents reach the disk first, then its name in the directory.

    Raises:
        OSError: It may or may not be there.
    """
    part = path.with_name(f"{path.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
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
