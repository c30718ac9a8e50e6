"""Presidio's synthetic labelled English (presidio-research, MIT): generated sentences with their entities.

Both of its files fill some two hundred templates with made-up values, so that one template is in many sentences and in
both files. A split that leaks nothing is therefore one by template, which `split` makes.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from agents.inference.extraction_scores import ExtractionDataset, Label, LabelledText
from schemas.errors import ConfigurationError

FILES: Final = ("data/synth_dataset_v2.json", "tests/data/generated_large.json")
Side = Literal["train", "test", "all"]

# The files name the same things in two ways; the later names are kept where both say the same.
_SAME: Final = {"GPE": "LOCATION", "STREET_ADDRESS": "ADDRESS", "PREFIX": "TITLE"}
_PLACEHOLDER: Final = re.compile(r"\{\{[^{}]*\}\}")
_SPACE: Final = re.compile(r"\s+")
_TEST_SHARE: Final = 4


class _Span(msgspec.Struct):
    entity_type: str
    start_position: int
    end_position: int


class _Sample(msgspec.Struct):
    full_text: str
    masked: str
    spans: list[_Span]


def load_presidio(directory: Path, side: Side = "all") -> ExtractionDataset:
    """Read both files of the data set, or those of their sentences that are on one side of the split.

    Args:
        directory: The root of presidio-research, or a copy of its two files in their places.

    Raises:
        ConfigurationError: A file is not there, or not what it must be.
    """
    texts = [each for name in FILES for each in _read(directory / name)]
    kinds = frozenset(label.kind for each in texts for label in each.labels)
    return ExtractionDataset(f"presidio-{side}", kinds, split(texts, side))


def split(texts: Sequence[LabelledText], side: Side) -> list[LabelledText]:
    """The texts of one side: a quarter of the templates, chosen by the hash of their words, is for testing."""
    if side == "all":
        return list(texts)
    return [each for each in texts if _is_for_testing(each.group) == (side == "test")]


def _is_for_testing(group: str) -> bool:
    return hashlib.sha256(group.encode()).digest()[0] % _TEST_SHARE == 0


def _read(path: Path) -> list[LabelledText]:
    try:
        samples = msgspec.json.decode(path.read_bytes(), type=list[_Sample])
    except OSError as exc:
        raise ConfigurationError(f"cannot read {path}; name the directory of presidio-research") from exc
    except msgspec.MsgspecError as exc:
        raise ConfigurationError(f"{path} is not a file of Presidio samples: {exc}") from exc
    return [_labelled(each) for each in samples]


def _labelled(sample: _Sample) -> LabelledText:
    labels = [
        Label(_SAME.get(each.entity_type, each.entity_type), each.start_position, each.end_position)
        for each in sample.spans
    ]
    template = _SPACE.sub(" ", _PLACEHOLDER.sub("{}", sample.masked)).strip().lower()
    return LabelledText(sample.full_text, tuple(sorted(labels, key=lambda each: each.start)), template)
