"""Which labels a person may choose from: those of the classifier that left the record open."""

from collections.abc import Iterable, Sequence

from agents.inference.engine import ModelIdentity
from agents.inference.model_directory import read_manifest
from agents.inference.model_store import manifest_of
from agents.inference.transaction_kind import MODEL_DIRECTORY
from schemas.model_reference import read_references
from streams.storage.models import ModelRow


class KnownLabels:
    """The labels of the classifiers that are registered or shipped, by how leaves name them.

    Args:
        rows: Of the registry.

    Raises:
        ConfigurationError: A row of the registry is damaged.
    """

    def __init__(self, rows: Iterable[ModelRow]) -> None:
        manifests = [read_manifest(MODEL_DIRECTORY), *map(manifest_of, rows)]
        known: list[ModelIdentity] = [each.identity for each in manifests if each.task == "classify"]
        self._labels = {each.reference: each.labels for each in known}

    def __call__(self, model: str) -> Sequence[str] | None:
        """The labels of a leaf's `model`, which may name extractors too; None when no classifier of it is known."""
        found = [self._labels[each] for each in map(str, read_references(model)) if each in self._labels]
        return found[0] if found else None
