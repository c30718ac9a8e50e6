"""Who a server runs as: never root. Changing to that account is `streams.embedded.launcher`."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from schemas.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group id without privileges."""

    uid: int
    gid: int

    @classmethod
    def unprivileged(cls, *names: str) -> Self | None:
        """The account for a new server: the first of ``names`` that exists when we are root, else None: who we are.

        Raises:
            ConfigurationError: We are root and the system has none of them.
        """
        if os.geteuid() != 0:
            return None
        for name in names:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(entry.pw_uid, entry.pw_gid)
        raise ConfigurationError(f"servers never run as root, and no user {' or '.join(names)} exists; add one")

    @classmethod
    def owning(cls, path: Path) -> Self | None:
        """The account that must serve the files under ``path``: their owner.

        Raises:
            ConfigurationError: They are root's, or another user's and we are not root.
        """
        found = path.stat()
        if found.st_uid == os.geteuid() != 0:
            return None
        if os.geteuid() != 0 or found.st_uid == 0:
            raise ConfigurationError(f"{path} belongs to user id {found.st_uid}; run as that user or move it away")
        return cls(found.st_uid, found.st_gid)

    def can_run(self, program: Path) -> bool:
        """Whether the permission bits let this account run ``program``; access lists are not looked at."""
        return all(self._may_execute(place.stat()) for place in (program, *program.resolve().parents))

    def _may_execute(self, found: os.stat_result) -> bool:
        if found.st_uid == self.uid:
            return bool(found.st_mode & stat.S_IXUSR)
        return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == self.gid else stat.S_IXOTH))
