"""Where the embedded servers keep their files: a named directory that stays, or a temporary one that goes.

What lies in its subdirectories is the servers' own business.
"""

import os
import shutil
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Final

from schemas.errors import ConfigurationError
from streams.embedded.lock import LOCK_FILE, DirectoryInUse, DirectoryLock

MINIMUM_FREE_BYTES: Final = 512 * 1024 * 1024
TEMPORARY_PREFIX: Final = "sealstream-embedded-"


class DataDirectory:
    """A directory with one live owner; entering the context gives its path.

    Temporary directories that a killed process left behind are removed by the next temporary one.
    """

    def __init__(self, path: Path | None = None, *, minimum_free_bytes: int = MINIMUM_FREE_BYTES) -> None:
        """Nothing is touched before the context is entered.

        Args:
            path: Directory to create or reopen, and to keep; None for a temporary one, removed at the end.
            minimum_free_bytes: Room that its file system must have left.
        """
        self._named = path
        self._minimum_free_bytes = minimum_free_bytes
        self._lock: DirectoryLock | None = None
        self._path = Path()

    def __enter__(self) -> Path:
        """Create, lock and check the directory.

        Raises:
            DirectoryInUse: Another process owns it.
            ConfigurationError: It cannot be created or written, or its file system is nearly full.
        """
        if self._named is None:
            remove_abandoned(Path(tempfile.gettempdir()))
            self._path, self._lock = _make_temporary()
        else:
            self._path = make_directory(self._named.absolute())
            self._lock = DirectoryLock.acquire(self._path)
        try:
            require_free_space(self._path, self._minimum_free_bytes)
        except ConfigurationError:
            self.__exit__(None, None, None)
            raise
        return self._path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the directory; a temporary one is removed first."""
        if self._named is None:
            shutil.rmtree(self._path, ignore_errors=True)  # what is left is removed by the next one
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def make_directory(path: Path) -> Path:
    """Create ``path`` unless it exists: ours alone, but when we are root others may pass through to what is theirs.

    Raises:
        ConfigurationError: It cannot be created, or is no directory.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_dir():
            path.mkdir()
            path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    except OSError as exc:
        raise ConfigurationError(f"cannot create the data directory {path}: {exc.strerror}; choose another") from exc
    return path


def require_free_space(path: Path, minimum_bytes: int) -> None:
    """Check the room that is left for us on the file system of ``path``.

    Raises:
        ConfigurationError: Less than ``minimum_bytes``.
    """
    free = shutil.disk_usage(path).free
    if free < minimum_bytes:
        raise ConfigurationError(
            f"the file system of {path} has {free >> 20} MiB free and at least {minimum_bytes >> 20} MiB are needed; "
            "make room or choose another data directory"
        )


def remove_abandoned(parent: Path) -> None:
    """Remove our own temporary directories whose owner, and whose servers, are gone."""
    with suppress(OSError):
        for path in parent.glob(f"{TEMPORARY_PREFIX}*"):
            with suppress(OSError):
                if path.is_dir() and not path.is_symlink() and path.stat().st_uid == os.geteuid():
                    _remove_unless_held(path)


def _remove_unless_held(path: Path) -> None:
    with suppress(DirectoryInUse), ExitStack() as held:
        for place in (path, *(found.parent for found in path.glob(f"*/{LOCK_FILE}"))):
            held.callback(DirectoryLock.acquire(place).close)
        shutil.rmtree(path, ignore_errors=True)


def _make_temporary() -> tuple[Path, DirectoryLock]:
    # Hidden until it is locked, so that nobody who removes abandoned directories takes it for one.
    try:
        hidden = Path(tempfile.mkdtemp(prefix=f".{TEMPORARY_PREFIX}"))
        hidden.chmod(0o711 if os.geteuid() == 0 else 0o700)
        lock = DirectoryLock.acquire(hidden)
        path = hidden.rename(hidden.with_name(hidden.name.removeprefix(".")))
    except OSError as exc:
        raise ConfigurationError(f"cannot create a temporary directory: {exc.strerror}; set TMPDIR") from exc
    return path, lock
