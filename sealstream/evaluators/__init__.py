"""Running models over labelled data. Each form of data has an evaluator in a module of its own, imported when used.

What comes out is agents.inference.evaluation; recording it, and what activation makes of it, is agents.models.curator.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol, cast

from agents.inference.evaluation import Evaluation
from agents.inference.model_directory import ModelManifest
from schemas.errors import ConfigurationError

EVALUATORS: Final[dict[str, str]] = {
    "labels": "sealstream.evaluators.text_labels:evaluate",
    "entries": "sealstream.evaluators.coded_entries:evaluate",
    "spans": "sealstream.evaluators.spans:evaluate",
}
"""Form of the data to `module:function`, which is an `Evaluator`."""

_USUAL: Final[Mapping[tuple[str, str], str]] = {
    ("text", "classify"): "labels",
    ("text", "extract"): "spans",
    ("transaction", "classify"): "entries",
}
"""Modality and task to the form of data that is meant when none is named."""


class Evaluator(Protocol):
    """Measures the model in a directory."""

    def __call__(self, model: Path, data: Path, dataset: str) -> Evaluation:
        """Have the model answer every example.

        Args:
            data: A file or a folder.
            dataset: What the data is called.

        Raises:
            ConfigurationError: The model can't be opened, or the data is not of this form.
            InferenceFailed: The model gave no answer.
        """
        ...


def evaluator_for(manifest: ModelManifest, form: str | None = None) -> Evaluator:
    """The evaluator of a form of data, or of the usual one for such a model.

    Raises:
        ConfigurationError: There is no such form, or none is usual.
    """
    wanted = form or _USUAL.get((manifest.modality, manifest.task), "")
    if wanted not in EVALUATORS:
        raise ConfigurationError(f"no evaluator for data of the form {wanted!r}; there are {', '.join(EVALUATORS)}")
    module, _, function = EVALUATORS[wanted].partition(":")
    try:
        return cast("Evaluator", getattr(import_module(module), function))
    except ImportError as exc:
        raise ConfigurationError(f"evaluating data of the form {wanted!r} needs a package: {exc.name}") from exc


def dataset_name(data: Path) -> str:
    """What data is called when nobody says: its folder and its name."""
    path = data.resolve()
    return path.name if path.is_dir() else f"{path.parent.name}/{path.stem}"
