"""Texts to tokens with their places and shapes. The encoder knows small letters alone, and neither spaces nor lines.

A token's shape says what was lost: how its word is written, and what stands before it. It goes into the encoder in the
place of the segment. One row of a prepared text for each of id, shape, start and end.
"""

import os
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from tokenizers import Encoding, Tokenizer

from agents.inference.cleaning import cleaned
from agents.inference.engine import InferenceFailed
from agents.inference.text_model import PreparedText
from schemas.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy.typing as npt

    IntArray = npt.NDArray[np.int32]

# One process, one core: without this the library starts a thread for each core of the machine.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

CONTINUES: Final = 0
"""The shape of a token that goes on with the word of the one before."""

MOST_TOKENS: Final = 32_768
"""Of a text; 100,000 characters of prose have fewer. The rest is not read: signs alone could keep a device for long."""

_GAPS: Final = 5
_CASES: Final = 5
SHAPES: Final = 1 + _CASES * _GAPS
_ROWS: Final = 4
_MARKS: Final = ("[CLS]", "[SEP]", "[MASK]")


class TaggerTokens:
    """Prepares texts for the tagger.

    Args:
        content: Of `tokenizer.json`.

    Attributes:
        begin: Id that stands before a window.
        end: Id that stands after it.
        mask: Id that hides a token in training.

    Raises:
        ConfigurationError: It is no tokenizer, or one without these marks.
    """

    def __init__(self, content: bytes) -> None:
        # The library raises plain exceptions of its own, whose texts quote the file.
        try:
            self._tokenizer = Tokenizer.from_buffer(content)
            self._tokenizer.no_padding()
            self._tokenizer.no_truncation()
            # "[SEP]" in a text is five characters like any others.
            self._tokenizer.encode_special_tokens = True
        except Exception as exc:
            raise ConfigurationError("the model's tokenizer.json is not one; restore it from the release") from exc
        self.begin, self.end, self.mask = map(self._mark, _MARKS)

    def prepare(self, texts: Sequence[str]) -> list[PreparedText]:
        """Tokenize; same length and order."""
        clean = [cleaned(text, len(text)) for text in texts]
        encodings = self._tokenizer.encode_batch(clean, add_special_tokens=False)
        return [_prepared(text, each) for text, each in zip(clean, encodings, strict=True)]

    def _mark(self, name: str) -> int:
        found = self._tokenizer.token_to_id(name)
        if found is None:
            raise ConfigurationError(f"the model's tokenizer has no {name}; restore it from the release")
        return found


def rows(text: PreparedText) -> "IntArray":
    """Ids, shapes, starts and ends of a prepared text: int32 [4, tokens].

    Raises:
        InferenceFailed: The text was prepared for another model.
    """
    packed = np.frombuffer(text.ids, dtype=np.int32)
    if len(packed) % _ROWS:
        raise InferenceFailed("a text was not prepared for this model; prepare it with the same model")
    return packed.reshape(_ROWS, -1)


def _prepared(text: str, encoding: Encoding) -> PreparedText:
    ids, words, offsets = encoding.ids[:MOST_TOKENS], encoding.word_ids[:MOST_TOKENS], encoding.offsets[:MOST_TOKENS]
    starts, ends = [start for start, _ in offsets], [end for _, end in offsets]
    shapes = [CONTINUES] * len(ids)
    at = last = 0
    while at < len(ids):
        following = at + 1
        while following < len(ids) and words[following] == words[at]:
            following += 1
        # What a word's first token knows: the whole word's end.
        start, ends[at] = starts[at], ends[following - 1]
        shapes[at] = 1 + _case(text[start : ends[at]]) * _GAPS + _gap(text[last:start], first=start == 0)
        at, last = following, ends[at]
    return PreparedText(text, array("i", ids + shapes + starts + ends).tobytes(), max(1, len(ids)))


def _case(word: str) -> int:
    if not any(map(str.isupper, word)):
        return 0
    if word.isupper():
        return 1 if len(word) == 1 else 2
    return 3 if word[0].isupper() and word[1:].islower() else 4


def _gap(between: str, *, first: bool) -> int:
    """What stands before a word: nothing, a space, more of them, a line's end, one with more beside it."""
    if "\n" in between or first:
        return 3 if len(between) < 2 else 4
    return min(len(between), 2)
