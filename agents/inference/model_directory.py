"""A model on disk: a directory with `model.json` and the files that it names, each checked by its digest.

The digest of a model is that of its manifest in canonical form, which holds the digests of all its files: it is what
the registry, the leaves and the receipts call the model.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from agents.inference.engine import ModelIdentity
from schemas.errors import ConfigurationError

MANIFEST_NAME: Final = "model.json"
CARD_NAME: Final = "card.md"

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,62}")
_FILE: Final = re.compile(r"[0-9A-Za-z_][0-9A-Za-z._-]{0,126}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class ModelManifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What `model.json` says.

    Attributes:
        name: Of the model: lower case letters, digits, `_` and `-`.
        version: Of the model, not of the product.
        family: Which loader opens it, see `families`.
        task: What it answers.
        modality: What it reads.
        languages: BCP 47 codes it was made for; none: any.
        labels: Of a classifier in the order of its outputs, of an extractor the kinds it finds.
        files: Name of each file beside the manifest to its SHA-256, hex.
        settings: Whatever the family needs besides.
    """

    name: str
    version: str
    family: str
    task: Literal["classify", "extract"]
    modality: Literal["text", "transaction"]
    labels: tuple[str, ...]
    files: dict[str, str]
    languages: tuple[str, ...] = ()
    settings: dict[str, Any] = {}

    def __post_init__(self) -> None:
        """Refuse names that are no names: they become paths, topics' contents and parts of leaves."""
        if not _NAME.fullmatch(self.name) or not _VERSION.fullmatch(self.version):
            raise ValueError("name or version of the model has characters that they can't have")
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must be there, each once")
        for name, digest in self.files.items():
            if not _FILE.fullmatch(name) or name == MANIFEST_NAME or not _DIGEST.fullmatch(digest):
                raise ValueError("files must be plain names with their SHA-256 in hex")

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest in canonical form, hex."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    @property
    def identity(self) -> ModelIdentity:
        """What results and leaves call it."""
        return ModelIdentity(self.name, self.version, self.digest, self.labels)


@dataclass(frozen=True, slots=True)
class ModelDirectory:
    """A model whose files were all there with the digests they must have.

    Attributes:
        files: Their contents, as they were checked: what is loaded is what was digested.
    """

    path: Path
    manifest: ModelManifest
    files: Mapping[str, bytes]


def read_manifest(path: Path) -> ModelManifest:
    """Read the manifest of a model directory.

    Raises:
        ConfigurationError: It is not there, or is not a manifest.
    """
    try:
        return msgspec.json.decode((path / MANIFEST_NAME).read_bytes(), type=ModelManifest)
    except OSError as exc:
        raise ConfigurationError(f"no readable {MANIFEST_NAME} in {path}; name a model directory") from exc
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        raise ConfigurationError(f"{MANIFEST_NAME} in {path} is not a model manifest: {exc}") from exc


def open_directory(path: Path) -> ModelDirectory:
    """Read a model's manifest and every file of it.

    Raises:
        ConfigurationError: Something is not there, or is not what the manifest says.
    """
    manifest = read_manifest(path)
    return ModelDirectory(
        path, manifest, {name: _checked(path, name, digest) for name, digest in manifest.files.items()}
    )


def write_directory(path: Path, manifest: ModelManifest, files: Mapping[str, bytes]) -> ModelManifest:
    """Write a model; `manifest.files` is taken from the contents.

    Raises:
        OSError: It may be half written; its manifest is written last.
    """
    path.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (path / name).write_bytes(content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    whole = msgspec.structs.replace(manifest, files=digests)
    (path / MANIFEST_NAME).write_bytes(msgspec.json.format(msgspec.json.encode(whole), indent=2) + b"\n")
    return whole


def _checked(path: Path, name: str, digest: str) -> bytes:
    try:
        content = (path / name).read_bytes()
    except OSError as exc:
        raise ConfigurationError(f"cannot read the model file {name} in {path}; restore it") from exc
    if hashlib.sha256(content).hexdigest() != digest:
        raise ConfigurationError(
            f"{name} in {path} is not the file its {MANIFEST_NAME} names (SHA-256 differs); "
            "restore both from the same release"
        )
    return content
