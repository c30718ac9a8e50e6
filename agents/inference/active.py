"""Which models are active: what intake plans with and workers load. Today a list of directories."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from agents.inference.engine import ModelIdentity
from agents.inference.model_directory import read_manifest


class ActiveModels(Protocol):
    """Says which models are in force."""

    def text_models(self) -> Sequence[tuple[ModelIdentity, Path]]:
        """The active text models, each with the directory it is loaded from.

        Raises:
            ConfigurationError: One of them is not there.
        """
        ...


class DirectoryModels:
    """The models in these directories."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self._directories = directories

    def text_models(self) -> Sequence[tuple[ModelIdentity, Path]]:
        """All of them that read text; see `ActiveModels`."""
        manifests = [(read_manifest(path), path) for path in self._directories]
        return [(manifest.identity, path) for manifest, path in manifests if manifest.modality == "text"]


def full_name(model: ModelIdentity) -> str:
    """What plans, lanes and devices call a model."""
    return f"{model.name}@{model.version}"
