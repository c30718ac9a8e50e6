"""One live owner for a directory: an advisory lock that the kernel drops with its last holder.

The holder may hand the lock's descriptor to a server; the directory then stays locked until that server and all of its
children are gone too, however the owner died.
"""

import asyncio
import fcntl
import os
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Self

from schemas.errors import ConfigurationError

LOCK_FILE = "lock"
POLL = 0.05


class DirectoryInUse(ConfigurationError):
    """Somebody else holds the directory."""

    def __init__(self, directory: Path, owner: int | None) -> None:
        who = f"process {owner}" if owner else "another process"
        super().__init__(f"{directory} is in use by {who}; stop it or choose another data directory")
        self.owner = owner


class DirectoryLock:
    """A held lock; closing it, or dying, releases it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def acquire(cls, directory: Path) -> Self:
        """Lock ``directory``, which exists, without waiting.

        Raises:
            DirectoryInUse: Another process, or another part of this one, holds it.
            ConfigurationError: We may not write there.
        """
        path = directory / LOCK_FILE
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as exc:
            raise ConfigurationError(f"cannot write to {directory}: {exc.strerror}; choose another directory") from exc
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_file(descriptor, path):  # a sweep of abandoned directories removed it under us
                raise DirectoryInUse(directory, None)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        except BlockingIOError as exc:
            owner = _owner(descriptor)
            os.close(descriptor)
            raise DirectoryInUse(directory, owner) from exc
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    @classmethod
    async def acquire_after_owner(cls, directory: Path, patience: timedelta) -> Self:
        """Lock ``directory``; when its owner is dead, wait for the server that the owner left behind to end.

        Raises:
            DirectoryInUse: The owner lives, or what it left behind is still there after ``patience``.
            ConfigurationError: We may not write there.
        """
        deadline = time.monotonic() + patience.total_seconds()
        while True:
            try:
                return cls.acquire(directory)
            except DirectoryInUse as exc:
                if (exc.owner is not None and _lives(exc.owner)) or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(POLL)

    def close(self) -> None:
        """Give the lock up; what is left of a server that inherited it still holds it, but nobody owns it any more."""
        os.ftruncate(self.descriptor, 0)
        os.close(self.descriptor)


def _is_file(descriptor: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _owner(descriptor: int) -> int | None:
    written = os.pread(descriptor, 32, 0).strip()
    return int(written) if written.isdigit() else None


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
