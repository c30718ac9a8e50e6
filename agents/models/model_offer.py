"""A model directory that somebody wants registered: read, checked, and as it would stand in the registry."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from agents.inference.model_directory import CARD_NAME, ModelDirectory, open_directory
from agents.inference.model_store import manifest_of
from agents.inference.transaction_kind import TRANSACTION_KIND
from schemas.errors import ConfigurationError
from streams.storage.models import ModelRow

MAX_CARD_BYTES: Final = 256 << 10


@dataclass(frozen=True, slots=True)
class OfferedModel:
    """The model, and the row that registers it as a candidate."""

    directory: ModelDirectory
    row: ModelRow

    def check_kind(self, rows: Sequence[ModelRow]) -> None:
        """See that it may have its name, beside what is registered.

        Raises:
            ConfigurationError: It does something else than other versions of it.
        """
        manifest = self.directory.manifest
        if (manifest.modality == "transaction") != (self.row.name == TRANSACTION_KIND):
            raise ConfigurationError(
                f"transactions are read by the model {TRANSACTION_KIND!r} and by no other; name this one accordingly"
            )
        for other in rows:
            if other.name == self.row.name:
                known = manifest_of(other)
                if (known.modality, known.task) != (manifest.modality, manifest.task):
                    raise ConfigurationError(
                        f"versions of {self.row.name!r} {known.task} {known.modality}; choose another name"
                    )
                return


def read_offered(path: Path) -> OfferedModel:
    """Read a model directory and its card.

    Raises:
        ConfigurationError: Something is not there, or is not what the manifest says.
    """
    directory = open_directory(path)
    try:
        content = (path / CARD_NAME).read_bytes()
    except OSError as exc:
        raise ConfigurationError(f"the model in {path} has no {CARD_NAME}; say there what it is for") from exc
    if len(content) > MAX_CARD_BYTES:
        raise ConfigurationError(f"{CARD_NAME} in {path} is longer than {MAX_CARD_BYTES} bytes; shorten it")
    try:
        card = content.decode()
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"{CARD_NAME} in {path} is no UTF-8 text; save it as such") from exc
    if "\0" in card:
        raise ConfigurationError(f"{CARD_NAME} in {path} holds a NUL; it is meant to be text")
    manifest = directory.manifest
    row = ModelRow(
        name=manifest.name,
        version=manifest.version,
        digest=manifest.digest,
        manifest=msgspec.json.encode(manifest, order="sorted"),
        card=card,
    )
    return OfferedModel(directory, row)
