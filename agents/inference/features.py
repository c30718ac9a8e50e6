"""Feature hashing: what a linear text model sees of an item, as bucket ids. Weights and engines live elsewhere.

The ids depend on nothing but the item and the parameters (CRC-32, never Python's `hash`), so that a model trained on
one machine reads the same features on every other. Ids are kept as packed int32, because rows of a frame are then
joined and padded without touching single numbers.
"""

import math
import re
import sys
import unicodedata
from array import array
from decimal import Decimal
from zlib import crc32

import msgspec

from agents.inference.engine import ModelInput

PADDING_BUCKET = 0
BYTES_PER_ID = 4
CONTEXT_IDS = 5

# Over UTF-8, where no byte of a longer character is a digit: over characters it takes ten times as long.
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LOWER_DIGITS = bytes(range(256)).lower().translate(_DIGITS)
# Runs of CJK ideographs are cut into characters and pairs; everything else is cut at what is no letter or digit.
_TOKEN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+|[^\W_\u3400-\u4dbf\u4e00-\u9fff]+")
_ASCII_TOKEN = re.compile(r"[a-z0-9]+")
_IDEOGRAPHS = ("\u3400", "\u9fff")
_SIZES = (-8, 40)
_LONGEST_CODE = 6
_LONGEST_CACHED_WORD = 32


class FeatureParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How items become ids. Part of a model: changing any of them needs a new model.

    Attributes:
        buckets: Rows of the weight table; bucket 0 is the padding.
        shortest_ngram: Characters of the shortest n-gram of a word, its boundary marks included.
        longest_ngram: Characters of the longest one.
        text_limit: Characters of text that are read.
        id_limit: Ids of text that are kept for one item.
    """

    buckets: int
    shortest_ngram: int = 3
    longest_ngram: int = 4
    text_limit: int = 512
    id_limit: int = 512

    def __post_init__(self) -> None:
        """Refuse parameters no model can have been trained with."""
        if self.buckets < 2 or not 1 <= self.shortest_ngram <= self.longest_ngram:
            raise ValueError("feature parameters: buckets must be at least 2 and the n-gram lengths ascending from 1")
        if self.text_limit < 1 or self.id_limit < 1:
            raise ValueError("feature parameters: limits must be at least 1")


class FeatureHasher:
    """Turns items into packed int32 ids, with a bounded memory of words it has seen."""

    def __init__(self, parameters: FeatureParameters, cache_limit: int = 50_000) -> None:
        """Start with an empty cache.

        Args:
            parameters: The model's.
            cache_limit: Words remembered; the cache is emptied when it is full. At the default about 20 MB.
        """
        self.parameters = parameters
        self._cache_limit = cache_limit
        self._words: dict[str, bytes] = {}
        self._contexts: dict[tuple[str | None, int | None, int, bool], bytes] = {}

    def text_ids(self, text: str) -> bytes:
        """Ids of the words and n-grams of a text: packed native int32, at most `id_limit` of them; may be empty."""
        limit = self.parameters.text_limit
        text = text[:limit]
        if text.isascii():
            tokens = _ASCII_TOKEN.findall(text.encode().translate(_LOWER_DIGITS).decode())
        else:
            # Compatibility forms can expand eighteenfold: the limit holds for what comes out as well.
            text = unicodedata.normalize("NFKC", text)[:limit].casefold()
            folded = text.encode("utf-8", "surrogatepass").translate(_DIGITS).decode("utf-8", "surrogatepass")
            tokens = _TOKEN.findall(folded)
        words = self._words
        parts = []
        for word in tokens:
            ids = words.get(word)
            parts.append(self._new_word(word) if ids is None else ids)
        return b"".join(parts)[: self.parameters.id_limit * BYTES_PER_ID]

    def context_ids(self, item: ModelInput) -> bytes:
        """Ids of sign, size and roundness of the amount: packed native int32, always `CONTEXT_IDS` of them."""
        size, roundness = _size_and_roundness(item.amount)
        sign = item.credit_debit if item.credit_debit in ("CRDT", "DBIT") else None
        key = (sign, size, roundness, not item.text or item.text.isspace())
        ids = self._contexts.get(key)
        if ids is None:
            ids = self._contexts[key] = self._pack(_context_features(*key))
        return ids

    def _new_word(self, word: str) -> bytes:
        """Ids of a word that is not in the cache, which then remembers it if it may come again."""
        if _IDEOGRAPHS[0] <= word[0] <= _IDEOGRAPHS[1]:
            ids = b"".join([self._ideographs(word[i : i + 2]) for i in range(len(word))])
            return ids if len(word) > 8 else self._remember(word, ids)
        if "0" in word:
            if word.strip("0") == "":
                return self._remember(word, self._pack([f"number {min(len(word), 12)}"]))
            if len(word) > _LONGEST_CODE:
                # References are as good as unique: one feature, and no place in the cache.
                return self._pack(["reference"])
        parameters = self.parameters
        marked = f"<{word[:_LONGEST_CACHED_WORD]}>"
        features = [f"word {word}"]
        for n in range(parameters.shortest_ngram, parameters.longest_ngram + 1):
            features += [marked[i : i + n] for i in range(len(marked) - n + 1)]
        ids = self._pack(features)
        return self._remember(word, ids) if len(word) <= _LONGEST_CACHED_WORD else ids

    def _ideographs(self, pair: str) -> bytes:
        """Ids of a character and of the pair it begins; the last character of a run begins none."""
        ids = self._words.get(pair + "|")
        return (
            self._remember(pair + "|", self._pack([pair[0], pair] if len(pair) == 2 else [pair]))
            if ids is None
            else ids
        )

    def _remember(self, word: str, ids: bytes) -> bytes:
        if len(self._words) >= self._cache_limit:
            self._words.clear()
        self._words[word] = ids
        return ids

    def _pack(self, features: list[str]) -> bytes:
        rows = self.parameters.buckets - 1
        return array("i", [1 + crc32(f.encode("utf-8", "surrogatepass")) % rows for f in features]).tobytes()


def _context_features(sign: str | None, size: int | None, roundness: int, silent: bool) -> list[str]:
    return [
        f"sign {sign}",
        f"silent {silent} sign {sign}",
        f"size {size}",
        f"size {size} sign {sign}",
        f"round {roundness} sign {sign}",
    ]


def _size_and_roundness(amount: Decimal | None) -> tuple[int | None, int]:
    """Binary order of magnitude (None without an amount); 0: has cents, 1: whole, 2: fives, 3: tens, 4: hundreds."""
    if amount is None:
        return None, 0
    value = float(amount) if amount.is_finite() else 0.0
    if not 0.0 < value < math.inf:
        return _SIZES[0], 0
    size = min(max(math.frexp(value)[1], _SIZES[0] + 1), _SIZES[1])
    if value % 1:
        return size, 0
    if value % 10:
        return size, 1 if value % 5 else 2
    return size, 3 if value % 100 else 4


if array("i").itemsize != BYTES_PER_ID:  # pragma: no cover
    raise ImportError(f"the C int of {sys.platform} is not 32 bits wide; feature ids are packed as int32")
