"""Ids of words by feature hashing: CRC-32 of the word and of its n-grams, for many words at once.

CRC-32 is linear over XOR: that of a few bytes is the XOR of what each byte gives at its distance from the end. So the
checksums of all n-grams of a frame's new words are a handful of table look-ups over arrays, where one call for each
n-gram would cost more than the model itself.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from zlib import crc32

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Checksums = NDArray[np.uint32]

BYTES_PER_ID: Final = 4
_WORD: Final = crc32(b"word ")
_IDEOGRAPH_BYTES: Final = 3


class WordHasher:
    """Hashes words into packed native int32 ids from 1 to `buckets` - 1.

    Args:
        buckets: Rows of the model's weight table; 0 is the padding.
        shortest: Characters of the shortest n-gram of a word.
        longest: Characters of the longest one.
    """

    def __init__(self, buckets: int, shortest: int, longest: int) -> None:
        self._rows = buckets - 1
        self._lengths = range(shortest, longest + 1)
        self._tables = _tables(max(longest, 2 * _IDEOGRAPH_BYTES))

    def features(self, features: Sequence[str]) -> bytes:
        """One id for each feature."""
        checksums = [crc32(feature.encode("utf-8", "surrogatepass")) for feature in features]
        return self._ids(np.array(checksums, dtype=np.uint32))

    def word(self, word: str, limit: int) -> bytes:
        """Ids of one word of any script: its own, then those of the n-grams of `<word>`, the short ones first.

        Args:
            limit: Characters from which n-grams are taken.
        """
        marked = f"<{word[:limit]}>"
        grams = [marked[start : start + n] for n in self._lengths for start in range(len(marked) - n + 1)]
        return self.features([f"word {word}", *grams])

    def ascii_words(self, words: Sequence[str], limit: int) -> list[bytes]:
        """Ids of words of ASCII characters, each as `word` gives them."""
        if not words:
            return []
        marked = [f"<{word[:limit]}>" for word in words]
        content = np.frombuffer("".join(marked).encode(), dtype=np.uint8)
        own = self._ids(np.array([crc32(word.encode(), _WORD) for word in words], dtype=np.uint32))
        # An n-gram that begins in one word and ends in the next is hashed as well, and passed over below.
        grams = [(n, self._ids(self._windows(content, n))) for n in self._lengths]
        found, start = [], 0
        for place, each in enumerate(marked):
            parts = [own[BYTES_PER_ID * place : BYTES_PER_ID * place + BYTES_PER_ID]]
            for n, ids in grams:
                if len(each) >= n:
                    parts.append(ids[BYTES_PER_ID * start : BYTES_PER_ID * (start + len(each) - n + 1)])
            found.append(b"".join(parts))
            start += len(each)
        return found

    def ideographs(self, runs: Sequence[str]) -> list[bytes]:
        """Ids of runs of CJK ideographs: of each character and of the pair it begins, by turns.

        Args:
            runs: Of characters of three bytes of UTF-8 each; none is empty.
        """
        if not runs:
            return []
        columns = list(np.frombuffer("".join(runs).encode(), dtype=np.uint8).reshape(-1, _IDEOGRAPH_BYTES).T)
        checksums = np.zeros(2 * len(columns[0]), dtype=np.uint32)
        checksums[0::2] = self._checksums(columns)
        checksums[1:-1:2] = self._checksums([*(each[:-1] for each in columns), *(each[1:] for each in columns)])
        ids, found, start = self._ids(checksums), [], 0
        for run in runs:
            # The last character begins no pair.
            found.append(ids[2 * BYTES_PER_ID * start : BYTES_PER_ID * (2 * (start + len(run)) - 1)])
            start += len(run)
        return found

    def _windows(self, content: "NDArray[np.uint8]", width: int) -> "Checksums":
        """CRC-32 of every `width` bytes of a content: [bytes - width + 1], none if it is shorter."""
        count = max(len(content) - width + 1, 0)
        return self._checksums([content[start : start + count] for start in range(width)])

    def _checksums(self, columns: Sequence["NDArray[np.uint8]"]) -> "Checksums":
        """CRC-32 of rows of bytes, given column by column."""
        checksums = np.full(len(columns[0]), crc32(bytes(len(columns))), dtype=np.uint32)
        for distance, column in enumerate(reversed(columns)):
            checksums ^= self._tables[distance][column]
        return checksums

    def _ids(self, checksums: "Checksums") -> bytes:
        return (checksums % self._rows + 1).astype(np.int32).tobytes()


def _tables(width: int) -> "Checksums":
    """What a byte gives to a CRC-32 at each distance from the end, over that of a zero byte: [width, 256]."""
    return np.array(
        [
            [crc32(bytes((byte, *bytes(distance)))) ^ crc32(bytes(distance + 1)) for byte in range(256)]
            for distance in range(width)
        ],
        dtype=np.uint32,
    )
