"""Scripts and styles: our own from here, htmx from the wheel that ships it; each under the digest of them all."""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from schemas.errors import ConfigurationError

_OWN: Final = Path(__file__).parent / "static"
_HTMX: Final = "static/django_htmx/htmx-2.min.js"
_TYPES: Final = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


class Asset(NamedTuple):
    """A file as it goes out."""

    body: bytes
    media_type: str


class Assets(NamedTuple):
    """All of them.

    Attributes:
        digest: Part of their addresses, so that they may be kept for ever; modules can name each other.
    """

    digest: str
    files: Mapping[str, Asset]


@cache
def load_assets() -> Assets:
    """Read them, once.

    Raises:
        ConfigurationError: htmx is not there.
    """
    paths = {path.name: path for path in _OWN.iterdir() if path.suffix in _TYPES} | {"htmx.js": _htmx()}
    files = {name: Asset(path.read_bytes(), _TYPES[path.suffix]) for name, path in sorted(paths.items())}
    whole = hashlib.sha256()
    for name, asset in files.items():
        whole.update(name.encode() + b"\0" + hashlib.sha256(asset.body).digest())
    return Assets(whole.hexdigest()[:16], MappingProxyType(files))


def _htmx() -> Path:
    # Found, not imported: the package around it is Django's.
    spec = find_spec("django_htmx")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        if (path := Path(place) / _HTMX).is_file():
            return path
    raise ConfigurationError("htmx is not there; install sealstream[api]")
