"""Server programs: where they are found, and a place from which the server's account can run them.

Which versions a server accepts is its own business.
"""

import os
import shutil
import stat
from collections.abc import Iterable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from schemas.errors import ConfigurationError


def wheel_directory(package: str, *below: str) -> tuple[Path, ...]:
    """The directory ``below`` an installed package, without importing it; empty when it is not installed."""
    found = find_spec(package)
    places = found.submodule_search_locations if found else None
    return tuple(Path(place, *below) for place in places or ())


def executables(name: str, search_path: Iterable[Path]) -> Iterable[Path]:
    """Every executable file ``name`` on the search path, in its order."""
    for directory in search_path:
        program = directory.absolute() / name
        if os.path.isfile(program) and os.access(program, os.X_OK):  # unlike Path, no error where we may not look
            yield program


def place_tree(source: Path, target: Path) -> None:
    """Make ``source`` available at ``target``, readable for everybody; hard links where possible, else copies.

    What was at ``target`` is replaced: it may come from an older installation.

    Raises:
        ConfigurationError: The files cannot be written.
    """
    shutil.rmtree(target, ignore_errors=True)
    try:
        for directory, _, files in os.walk(source):
            inside = target / Path(directory).relative_to(source)
            inside.mkdir()
            inside.chmod(0o755)
            for name in files:
                place_file(Path(directory, name), inside / name)
    except OSError as exc:
        raise ConfigurationError(f"cannot place the server's files at {target}: {exc.strerror}") from exc


def place_file(source: Path, target: Path) -> None:
    """Link or copy one file so that everybody can read it, and run it when its owner can; replaces ``target``."""
    target.unlink(missing_ok=True)
    mode = source.stat().st_mode
    wanted = 0o755 if mode & stat.S_IXUSR else 0o644
    if mode & wanted == wanted:
        with suppress(OSError):  # another file system, or links are not allowed
            os.link(source, target)
            return
    shutil.copyfile(source, target)
    target.chmod(wanted)
