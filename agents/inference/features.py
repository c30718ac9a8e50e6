"""Feature hashing: what a linear text model sees of an item, as bucket ids. Weights and engines live elsewhere.

The ids depend on nothing but the item and the parameters (CRC-32, never Python's `hash`), so that a model trained on
one machine reads the same features on every other. Ids are kept as packed int32, because rows of a frame are then
joined and padded without touching single numbers.
"""

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from agents.inference.engine import ModelInput
from agents.inference.word_hashes import BYTES_PER_ID, WordHasher

PADDING_BUCKET = 0
CONTEXT_IDS = 5

# Over UTF-8, where every byte of a longer character is above 127: over characters it takes ten times as long. Digits
# become zeros, capitals small letters, and what is neither a letter nor a digit a space.
_ASCII_WORDS = bytes(
    ord("0" if chr(byte).isdigit() else chr(byte).lower() if chr(byte).isalnum() else " ") if byte < 128 else byte
    for byte in range(256)
)
# Runs of CJK ideographs are cut into characters and pairs; everything else is cut at what is no letter or digit.
_TOKEN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+|[^\W_\u3400-\u4dbf\u4e00-\u9fff]+")
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
        self._hasher = WordHasher(parameters.buckets, parameters.shortest_ngram, parameters.longest_ngram)
        self._reference = self._hasher.features(["reference"])
        self._cache_limit = cache_limit
        self._words: dict[str, bytes] = {}
        self._contexts: dict[tuple[str | None, int | None, int, bool], bytes] = {}

    def text_ids(self, texts: Sequence[str]) -> list[bytes]:
        """Ids of the words and n-grams of each text: packed native int32, at most `id_limit` of them; may be empty."""
        limit = self.parameters.text_limit
        split = [_words(text, limit) for text in texts]
        known = self._words
        passing = self._learn({word for each in split for word in each if word not in known})
        longest = self.parameters.id_limit * BYTES_PER_ID
        ids = [b"".join([known[word] for word in each])[:longest] for each in split]
        for word in passing:
            del known[word]
        if len(known) > self._cache_limit:
            known.clear()
        return ids

    def context_ids(self, item: ModelInput) -> bytes:
        """Ids of sign, size and roundness of the amount: packed native int32, always `CONTEXT_IDS` of them."""
        size, roundness = _size_and_roundness(item.amount)
        sign = item.credit_debit if item.credit_debit in ("CRDT", "DBIT") else None
        key = (sign, size, roundness, not item.text or item.text.isspace())
        ids = self._contexts.get(key)
        if ids is None:
            ids = self._contexts[key] = self._hasher.features(_context_features(*key))
        return ids

    def _learn(self, new: Iterable[str]) -> set[str]:
        """Put words into the memory; returns those that are to leave it again with their frame."""
        known, tokens, mixed = self._words, set[str](), dict[str, list[str]]()
        for word in new:
            found = [word] if word.isascii() else _TOKEN.findall(word)
            tokens.update(found)
            if found != [word]:
                mixed[word] = found
        passing = self._learn_tokens(tokens.difference(known))
        for word, found in mixed.items():
            known[word] = b"".join([known[token] for token in found])
            if len(word) > _LONGEST_CACHED_WORD or not passing.isdisjoint(found):
                passing.add(word)
        return passing

    def _learn_tokens(self, new: Iterable[str]) -> set[str]:
        """The same for words of one script."""
        known, hasher = self._words, self._hasher
        plain, ideographs, passing = list[str](), list[str](), set[str]()
        for token in new:
            if len(token) > _LONGEST_CACHED_WORD:
                passing.add(token)
            if _IDEOGRAPHS[0] <= token[0] <= _IDEOGRAPHS[1]:
                ideographs.append(token)
            elif "0" in token and token.strip("0") == "":
                known[token] = hasher.features([f"number {min(len(token), 12)}"])
            elif "0" in token and len(token) > _LONGEST_CODE:
                # References are as good as unique: one feature, and no place in the memory.
                known[token] = self._reference
                passing.add(token)
            elif token.isascii():
                plain.append(token)
            else:
                known[token] = hasher.word(token, _LONGEST_CACHED_WORD)
        known.update(zip(plain, hasher.ascii_words(plain, _LONGEST_CACHED_WORD), strict=True))
        known.update(zip(ideographs, hasher.ideographs(ideographs), strict=True))
        return passing


def _words(text: str, limit: int) -> list[str]:
    """What stands between spaces and ASCII punctuation in a text's first `limit` characters, its digits all zeros."""
    text = text[:limit]
    if text.isascii():
        return text.encode().translate(_ASCII_WORDS).decode().split()
    # Compatibility forms can expand eighteenfold: the limit holds for what comes out as well.
    text = unicodedata.normalize("NFKC", text)[:limit].casefold()
    return text.encode("utf-8", "surrogatepass").translate(_ASCII_WORDS).decode("utf-8", "surrogatepass").split()


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
    size = math.frexp(value)[1]
    if not _SIZES[0] < size <= _SIZES[1]:
        size = _SIZES[0] + 1 if size <= _SIZES[0] else _SIZES[1]
    if value % 1:
        return size, 0
    if value % 10:
        return size, 1 if value % 5 else 2
    return size, 3 if value % 100 else 4
