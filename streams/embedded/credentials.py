"""Generated passwords of an embedded database, kept in files that only their owner reads."""

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from schemas.errors import ConfigurationError

PASSWORD_BYTES = 24


@dataclass(frozen=True, slots=True)
class Credentials:
    """The two passwords; URL-safe characters only, so they need no quoting in a DSN or an SQL literal."""

    superuser: str = field(repr=False)
    application: str = field(repr=False)

    @classmethod
    def generate(cls, directory: Path) -> Self:
        """Make new ones for a new cluster and keep them in ``directory``."""
        made = cls(secrets.token_urlsafe(PASSWORD_BYTES), secrets.token_urlsafe(PASSWORD_BYTES))
        for path, secret in zip(_files(directory), (made.superuser, made.application), strict=True):
            path.unlink(missing_ok=True)
            write_secret(path, secret)
        return made

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read those of an existing cluster.

        Raises:
            ConfigurationError: A file is missing, unreadable, or empty.
        """
        return cls(*map(_read_secret, _files(directory)))


def write_secret(path: Path, secret: str) -> None:
    """Write a new file that only its owner reads."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{secret}\n")
        file.flush()
        os.fsync(file.fileno())


def _read_secret(path: Path) -> str:
    try:
        secret = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"cannot read {path}, which opens the database beside it; restore it") from exc
    if not secret or not secret.isascii() or set("'\\/@:?#%") & set(secret):
        raise ConfigurationError(f"{path} holds no password that we generated; restore it")
    return secret


def _files(directory: Path) -> tuple[Path, Path]:
    return directory / "superuser.password", directory / "application.password"
