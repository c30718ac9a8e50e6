"""Secrets that lie in files of their own: tokens, PINs. Key files are security.key_files and security.file_keyring."""

import os
import stat
from pathlib import Path
from typing import Final

from schemas.errors import ConfigurationError

_MAX_BYTES: Final = 1 << 16


def read_secret(path: Path, setting: str) -> str:
    """The file's one line.

    Args:
        setting: What names the file, for errors.

    Raises:
        ConfigurationError: It can't be read, others can read it, or it holds no line of printable ASCII.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigurationError(f"{setting} {path} is open to other users; run `chmod 600 {path}`")
            secret = file.read(_MAX_BYTES).decode("ascii").strip()
    except OSError as exc:
        raise ConfigurationError(f"can't read {setting} {path}: {exc.strerror}") from exc
    except UnicodeDecodeError:
        secret = ""
    if not secret or not secret.isprintable():
        raise ConfigurationError(f"{setting} {path} holds no line of printable ASCII")
    return secret
