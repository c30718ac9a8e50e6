"""A witness's directory: its key, and the last checkpoint it cosigned of each log. One process has it at a time.

Losing or restoring it makes a witness that would cosign a fork: it is never put back from a backup.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from schemas.errors import ConfigurationError
from security.cosignature import Cosigner
from security.secret_file import read_secret
from streams.durable_file import replace_durably

KEY: Final = "key"
LOCK: Final = "lock"
LOGS: Final = "logs"


@dataclass(frozen=True, slots=True)
class WitnessDirectory:
    """The directory of a witness, locked by this process."""

    path: Path

    @classmethod
    @contextmanager
    def locked(cls, path: Path) -> "Iterator[WitnessDirectory]":
        """Hold the directory while the body runs; it is made when it is not there.

        Raises:
            ConfigurationError: Another process has it, or it can't be written.
        """
        try:
            (path / LOGS).mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise ConfigurationError(f"can't use the witness directory {path}: {exc.strerror}") from exc
        try:
            # The kernel releases it however the process ends.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            os.close(descriptor)
            raise ConfigurationError(
                f"another process is the witness of {path}: two would cosign two histories; end it, or name another"
            ) from exc
        try:
            yield cls(path)
        finally:
            os.close(descriptor)

    def key(self, name: str) -> Cosigner:
        """The witness's key, made under this name when there is none yet.

        Raises:
            ConfigurationError: The key file is open to others, malformed, or of another name.
        """
        file = self.path / KEY
        if not file.exists():
            replace_durably(file, Cosigner(name, secrets.token_bytes(32)).export_skey().encode() + b"\n")
        cosigner = Cosigner.from_skey(read_secret(file, "witness key"))
        if cosigner.verifier.name != name:
            raise ConfigurationError(
                f"the key in {file} is named {cosigner.verifier.name}, not {name}: a witness keeps its name"
            )
        return cosigner

    def key_name(self) -> str | None:
        """The name of the key that is there; None where none is."""
        file = self.path / KEY
        return Cosigner.from_skey(read_secret(file, "witness key")).verifier.name if file.exists() else None

    def last(self, origin: str) -> bytes | None:
        """The last cosigned checkpoint of a log as a note; None where nothing was cosigned yet."""
        return self.named(sha256(origin.encode()).hexdigest())

    def named(self, name: str) -> bytes | None:
        """The same, by the hex SHA-256 of the log's origin."""
        try:
            return (self.path / LOGS / name).read_bytes()
        except FileNotFoundError:
            return None

    def remember(self, origin: str, note: bytes) -> None:
        """Replace a log's last checkpoint; on return it is on the disk, whatever happens to this machine.

        Raises:
            OSError: It may or may not be.
        """
        replace_durably(self.path / LOGS / sha256(origin.encode()).hexdigest(), note)
