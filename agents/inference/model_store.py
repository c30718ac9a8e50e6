"""The model store: a directory where registered models lie, each version in a place of its own that never changes.

    <store>/<name>/<version>-<first 12 of the digest>/

The registry says which digest a model must have; what lies in the store is believed only as far as it has that one.
Several hosts share a store as a volume, or each has a copy.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from agents.inference.engine import ModelIdentity
from agents.inference.model_directory import (
    CARD_NAME,
    MANIFEST_NAME,
    ModelDirectory,
    ModelManifest,
    open_directory,
    read_manifest,
)
from agents.inference.slots import Slot, slots_in_force
from schemas.errors import ConfigurationError
from streams.storage.models import ModelRow

_SHORT: Final = 12


class ModelStore:
    """Keeps models by their digest."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def place(self, name: str, version: str, digest: str) -> Path:
        """Where a version lies, or would."""
        return self._path / name / f"{version}-{digest[:_SHORT]}"

    def keep(self, directory: ModelDirectory, card: str) -> Path:
        """Copy a model into the store; it is there whole or not at all, and stays after a power cut.

        Returns:
            Its place. One that lies there already, undamaged, is left.

        Raises:
            ConfigurationError: The store can't be written.
        """
        manifest = directory.manifest
        place = self.place(manifest.name, manifest.version, manifest.digest)
        if self._is_whole(place, manifest.digest):
            return place
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            made = place.with_name(f".{place.name}.{os.getpid()}.part")
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            content = {**directory.files, MANIFEST_NAME: _written(manifest)}
            for name, body in {**content, CARD_NAME: content.get(CARD_NAME, card.encode())}.items():
                _write(made / name, body)
            _sync(made)
            shutil.rmtree(place, ignore_errors=True)  # damaged: nothing can be using it
            made.rename(place)
            for above in (place.parent, self._path):
                _sync(above)
        except OSError as exc:
            raise ConfigurationError(
                f"the model store {self._path} can't be written ({type(exc).__name__}); see SEALSTREAM_MODEL_STORE"
            ) from exc
        return place

    def find(self, row: ModelRow) -> Path:
        """Where a registered version lies, once its manifest is the one that the registry names.

        Whoever opens it checks its files, and that what was opened has this digest.

        Raises:
            ConfigurationError: It is not there, or is another one.
        """
        place = self.place(row.name, row.version, row.digest)
        if read_manifest(place).digest != row.digest:
            raise ConfigurationError(f"{place} holds another model than the registry names; restore it")
        return place

    def _is_whole(self, place: Path, digest: str) -> bool:
        try:
            return open_directory(place).manifest.digest == digest
        except ConfigurationError:
            return False


def manifest_of(row: ModelRow) -> ModelManifest:
    """The manifest in a row of the registry.

    Raises:
        ConfigurationError: It is none, or not that of the model that the row names.
    """
    try:
        manifest = msgspec.json.decode(row.manifest, type=ModelManifest)
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        raise ConfigurationError(f"the registry's row of {row.name[:64]!r} holds no manifest of a model") from exc
    if (manifest.name, manifest.version, manifest.digest) != (row.name, row.version, row.digest):
        raise ConfigurationError(f"the registry's row of {row.name[:64]!r} holds the manifest of another model")
    return manifest


def identities_in_force(rows: Iterable[ModelRow], modality: str) -> dict[str, Slot[ModelIdentity]]:
    """The models of one modality that are in force, by name.

    Raises:
        ConfigurationError: A row of the registry is damaged.
    """
    found = {}
    for name, slot in slots_in_force(list(rows)).items():
        manifest = manifest_of(slot.active)
        if manifest.modality == modality:
            trial = manifest_of(slot.trial).identity if slot.trial is not None else None
            found[name] = Slot(manifest.identity, trial, slot.share, slot.salt)
    return found


def _written(manifest: ModelManifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
