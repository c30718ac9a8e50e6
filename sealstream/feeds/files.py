"""Reading a feed's files: the moment a file is from, and its errors in words. What is in them is the formats' part."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import ConfigurationError

"""Longest message a file may hold; the platform's own limit for one document."""


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn an error of the file system into one that names the file."""
    try:
        yield
    except OSError as exc:
        raise ConfigurationError(f"can't read the feed {path}: {exc.strerror or 'input/output error'}") from exc


def modified_at(path: Path) -> str:
    """When the file was last changed, RFC 3339 in UTC: what stands for a time where the content has none."""
    with readable(path):
        seconds = int(path.stat().st_mtime)
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat().replace("+00:00", "Z")
