"""Which loader opens which family of text models. A family is imported when one of its models is opened."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final

from agents.inference.model_directory import ModelDirectory, open_directory
from agents.inference.text_model import TextModel
from schemas.errors import ConfigurationError

CPU: Final = "CPUExecutionProvider"

_LOADERS: Final[dict[str, str]] = {
    "encoder_head": "agents.inference.headed_model:load_encoder_head",
    "lac": "agents.inference.lac.model:load",
    "patterns": "agents.inference.patterns.model:load",
    "tagger": "agents.inference.tagger.model:load",
    "torch_head": "agents.inference.torch_encoder:load_torch_head",
    "usem_head": "agents.inference.usem_encoder:load_usem_head",
}
"""Family to `module:function`; the function takes a `ModelDirectory` and the provider that must be in force."""


def open_text_model(path: Path, provider: str = CPU) -> TextModel:
    """Load the model in a directory, once its files have the digests of its manifest.

    Args:
        provider: Execution provider that must be in force, for families that have one.

    Raises:
        ConfigurationError: The files are not what they must be, the family is unknown, or what it needs is missing.
    """
    return load_text_model(open_directory(path), provider)


def load_text_model(directory: ModelDirectory, provider: str = CPU) -> TextModel:
    """Load a model whose files have been checked, or were never written.

    Raises:
        ConfigurationError: The family is unknown, what it needs is missing, or the files don't fit together.
    """
    return _loader(directory.manifest.family)(directory, provider)


def _loader(family: str) -> Callable[[ModelDirectory, str], TextModel]:
    if family not in _LOADERS:
        raise ConfigurationError(f"no loader for models of family {family[:40]!r}; use a release that has it")
    module, _, function = _LOADERS[family].partition(":")
    try:
        loader: Callable[[ModelDirectory, str], TextModel] = getattr(import_module(module), function)
    except ImportError as exc:
        raise ConfigurationError(f"models of family {family} need a package that is missing: {exc.name}") from exc
    return loader
