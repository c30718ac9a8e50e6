"""Bundles what the wheel takes from the platform: the signer and what it imports, as it is, under a name of its own.

The platform's packages are called `schemas` and `security`: names that somebody's program may have too, and that the
platform's own wheel has. So their imports are rewritten when the wheel is built; nothing of them is copied by hand.
"""

import ast
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parents[2]
TAKEN = ("sealstream.client", "security.access.assertion", "security.access.access_request")
"""What the wheel's modules import; what those import comes along."""

OURS = ("schemas", "security", "sealstream")
ABOVE = frozenset({"agents", "streams"})
VENDOR = "sealstream_client._vendor"
_IMPORT = re.compile(rf"^(\s*from )({'|'.join(OURS)})(?=[. ])", re.MULTILINE)


class BundlingHook(BuildHookInterface):  # type: ignore[type-arg,misc]  # the build tool has no types here
    """What hatchling calls."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the modules where the wheel takes them from."""
        self._written = Path(tempfile.mkdtemp(prefix="sealstream-client-"))
        for module, source in sorted(closure(ROOT, TAKEN).items()):
            place = self._written / source.relative_to(ROOT)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(renamed(source.read_text(), module))
        (self._written / "__init__.py").write_text('"""Modules of the platform, as they were when this was built."""\n')
        build_data["force_include"][str(self._written)] = VENDOR.replace(".", "/")

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Clean up."""
        shutil.rmtree(self._written, ignore_errors=True)


def closure(root: Path, modules: tuple[str, ...]) -> dict[str, Path]:
    """The modules, and all of ours that they import, with their packages.

    Raises:
        ValueError: One imports what lies above the signer, which a client has not.
    """
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in found or (path := _file(root, module)) is None:
            continue
        if module.partition(".")[0] in ABOVE:
            raise ValueError(f"the client would need {module}")
        found[module] = path
        waiting += [module.rpartition(".")[0], *_imported(path)]
    return found


def renamed(source: str, module: str) -> str:
    """The source, importing its own kind by their new name.

    Raises:
        ValueError: It imports them in a form that is not rewritten.
    """
    text = _IMPORT.sub(rf"\1{VENDOR}.\2", source)
    for node in ast.walk(ast.parse(text)):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(["."] * node.level)]
        if any(name.partition(".")[0] in (*OURS, "") for name in names):
            raise ValueError(f"{module}, line {node.lineno}: import it as `from package.module import name`")
    return text


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in {*OURS, *ABOVE}:
            yield from (node.module or "", *(f"{node.module}.{each.name}" for each in node.names))


def _file(root: Path, module: str) -> Path | None:
    if not module:
        return None
    place = root.joinpath(*module.split("."))
    return next((each for each in (place / "__init__.py", place.with_suffix(".py")) if each.is_file()), None)
